/**
 * Survey images behind the sky: Aladin Lite in a frame of its own below the canvas, moved by our camera.
 *
 * The module comes from a host that the operator named. In its frame it has no origin: it sees nothing of JupyterLab,
 * nobody's cookies or token, and may ask that host and the survey's only. With the frame all of it goes.
 */
import { ICamera } from './camera';

/** Addresses of Aladin Lite's module and of a survey (HiPS), both absolute. */
export interface ISurvey {
  readonly module: string;
  readonly url: string;
}

/** What the frame says; `failure` is a sentence of the browser's or of Aladin's. */
interface IWord {
  readonly state: 'loaded' | 'ready' | 'failed';
  readonly failure?: string;
}

/** How Aladin shows what a camera sees: in a square of `side` pixels around the centre. */
export interface IAladinView {
  readonly ra: number;
  readonly dec: number;
  /** Field of view across the square [deg]. */
  readonly field: number;
  readonly side: number;
  /** Of the sphere [pixels]: beyond is nothing. */
  readonly radius: number;
}

/** How long the module and the first answer of the survey may take [ms]. */
const PATIENCE = 30_000;

/** The hosts that a browser asks for the images. */
export function hostsOf({ module, url }: ISurvey): string[] {
  return [...new Set([url, module].map(address => new URL(address).host))];
}

/**
 * The view of Aladin's orthographic projection (SIN) that is a camera's. Aladin shows no more than the half sphere, so
 * the square is never larger than that. (It is not scaled by CSS, for Aladin would take the scaled size for its own.)
 */
export function aladinView({ ra, dec, scale }: ICamera, width: number, height: number): IAladinView {
  const side = Math.min(Math.max(width, height), 2 * scale);
  const field = (Math.asin(side / 2 / scale) * 360) / Math.PI;
  return { ra, dec, field, side, radius: scale };
}

export class SurveyImages {
  private readonly _frame = document.createElement('iframe');
  private readonly _timer: ReturnType<typeof setTimeout>;
  private _view: IAladinView | null = null;

  /** In `host`; `failed` is called at most once, when all is gone again: with a reason, or null without any answer. */
  constructor(
    host: HTMLElement,
    private readonly _survey: ISurvey,
    title: string,
    private readonly _failed: (reason: string | null) => void
  ) {
    this._timer = setTimeout(() => {
      this._fail(null);
    }, PATIENCE);
    window.addEventListener('message', this._listen);
    this._frame.setAttribute('sandbox', 'allow-scripts');
    this._frame.tabIndex = -1;
    this._frame.title = title;
    this._frame.srcdoc = pageOf(_survey);
    host.append(this._frame);
  }

  /** Show what the camera sees; as soon as Aladin is there. */
  show(camera: ICamera, width: number, height: number): void {
    this._view = aladinView(camera, width, height);
    this._send({ view: this._view });
  }

  dispose(): void {
    clearTimeout(this._timer);
    window.removeEventListener('message', this._listen);
    this._frame.remove();
  }

  private _fail(reason: string | null): void {
    this.dispose();
    this._failed(reason);
  }

  private _send(message: { survey?: ISurvey; view: IAladinView | null }): void {
    this._frame.contentWindow?.postMessage(message, '*'); // the frame has no origin to name
  }

  private readonly _listen = ({ source, data }: MessageEvent<IWord>): void => {
    if (source !== this._frame.contentWindow) {
      return;
    }
    if (data.state === 'loaded') {
      this._send({ survey: this._survey, view: this._view }); // again, when JupyterLab has moved the panel
    } else if (data.state === 'ready') {
      clearTimeout(this._timer);
    } else {
      this._fail(String(data.failure));
    }
  };
}

function pageOf({ module, url }: ISurvey): string {
  const [code, images] = [new URL(module).origin, new URL(url).origin];
  const policy = [
    "default-src 'none'",
    `script-src 'unsafe-inline' 'wasm-unsafe-eval' blob: ${code}`,
    `connect-src data: blob: ${code} ${images}`,
    `img-src data: blob: ${images}`,
    "style-src 'unsafe-inline'",
    'worker-src blob:'
  ].join('; ');
  return `<!doctype html><meta name="referrer" content="no-referrer">
    <meta http-equiv="Content-Security-Policy" content="${policy}"><style>${STYLE}</style>
    <div id="sky"></div><script>${SCRIPT}</script>`;
}

const STYLE = `body { margin: 0; overflow: hidden; background: black }
  #sky { position: absolute; left: 50%; top: 50%; transform: translate(-50%, -50%) }
  .aladin-logo-container { right: calc(50% - 50vw + 5px) !important; bottom: calc(50% - 50vh + 2px) !important }`;

/** Runs in the frame. Everything of Aladin's own is off, also what it would report to its authors (log). */
const SCRIPT = `
  // Aladin keeps preferences, and a frame without an origin has nowhere to keep them
  Object.defineProperty(window, 'localStorage', { value: { getItem: () => null, setItem: () => {} } });
  let aladin = null, view = null;
  const shown = ['Reticle', 'LayersControl', 'ZoomControl', 'FullscreenControl', 'Frame', 'CooLocation', 'Fov',
    'StatusBar', 'ProjectionControl', 'ContextMenu', 'ShareControl', 'SimbadPointerControl', 'CooGridControl', 'SettingsControl',
    'ColorPickerControl', 'CooGrid', 'Catalog'];
  const off = Object.fromEntries(shown.map(name => ['show' + name, false]));
  const place = () => {
    const sky = document.getElementById('sky');
    sky.style.width = sky.style.height = view.side + 'px';
    sky.style.clipPath = 'circle(' + view.radius + 'px)';
    if (aladin) {
      aladin.gotoRaDec(view.ra, view.dec);
      aladin.setFoV(view.field);
    }
  };
  const start = async ({ module, url }) => {
    const answer = await fetch(url + '/properties');
    if (!answer.ok) throw new Error(url + '/properties: ' + answer.status);
    const A = (await import(module)).default;
    await A.init;
    aladin = window.aladin = A.aladin('#sky', { ...off, survey: url, hipsList: [], projection: 'SIN', cooFrame: 'ICRS',
      log: false, samp: false, inertia: false, backgroundColor: 'rgb(0, 0, 0)', fov: 60, target: '0 +0' });
    if (view) place();
    new ResizeObserver(place).observe(document.getElementById('sky')); // after Aladin's own
  };
  const say = word => parent.postMessage(word, '*');
  addEventListener('message', ({ source, data }) => {
    if (source !== parent) return;
    if (data.view) {
      view = data.view;
      place();
    }
    if (data.survey) {
      start(data.survey).then(() => say({ state: 'ready' }),
        error => say({ state: 'failed', failure: String(error?.message ?? error) }));
    }
  });
  say({ state: 'loaded' });`;
