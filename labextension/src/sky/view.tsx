/**
 * The sky around the results: drag to move, wheel to zoom, draw around points to select them.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { JSX, KeyboardEvent, PointerEvent, useEffect, useMemo, useRef, useState } from 'react';

import { Selection } from '../grid/selection';
import { Table } from '../grid/table';
import { fitCanvas, onThemeChange } from '../grid/theme';
import { formatPosition } from '../search/coordinates';
import { ICone } from '../search/query';
import { enclose, frame, ICamera, IScreen, nearest, pan, project, vectors, within, zoom } from './camera';
import { D3Geo, drawSky } from './draw';
import { hostsOf, ISurvey, SurveyImages } from './images';
import { parseRegions, Region } from './regions';

export interface ISkyProps {
  readonly table: Table;
  readonly cones: readonly ICone[];
  readonly selection: Selection;
  /** What may be shown behind the sky; null where no operator has chosen it. */
  readonly survey: ISurvey | null;
  readonly trans: TranslationBundle;
}

/** More points than this are not all drawn while the sky moves, but when it has been at rest for so long [ms]. */
const MOVING = 100_000;
const REST = 150;

/** All that the pointer changes; it is no state of React's, for each move draws at once. */
class Sky {
  camera: ICamera = { ra: 0, dec: 0, scale: 100 };
  screen: IScreen = { x: new Float32Array(0), y: new Float32Array(0), each: 1 };
  lasso: [number, number][] = [];
  /** Images behind the sky, which move with it. */
  images: SurveyImages | null = null;
  private readonly _regions = new Map<number, readonly Region[]>();
  private _seen = '';
  private _frame = 0;
  private _rest: ReturnType<typeof setTimeout> | undefined;
  private _fitted = false;

  constructor(
    private readonly _points: Float32Array,
    private readonly _props: ISkyProps
  ) {}

  whole(canvas: HTMLCanvasElement): number {
    return Math.min(canvas.clientWidth, canvas.clientHeight) * 0.48;
  }

  fit(canvas: HTMLCanvasElement): void {
    const size = Math.min(canvas.clientWidth, canvas.clientHeight);
    const { cones } = this._props;
    this.camera = cones.length > 0 ? enclose(cones, size) : frame(this._points, size);
    this._fitted = size > 0;
  }

  /** Draw after a move of the camera: not all of very many points, until it rests. */
  move(canvas: HTMLCanvasElement, d3: D3Geo): void {
    const each = Math.ceil(this._points.length / 3 / MOVING);
    this.draw(canvas, d3, Math.max(1, each));
    if (each > 1) {
      this._rest = setTimeout(() => {
        this.draw(canvas, d3);
      }, REST);
    }
  }

  /** Draw before the next repaint, once. */
  draw(canvas: HTMLCanvasElement, d3: D3Geo, each = 1): void {
    this.stop();
    this._frame = requestAnimationFrame(() => {
      const fitted = fitCanvas(canvas);
      if (fitted === null) {
        return;
      }
      if (!this._fitted) {
        this.fit(canvas);
      }
      const { context, width, height } = fitted;
      this._project(width, height, each);
      const { cones, selection } = this._props;
      const scene = { camera: this.camera, screen: this.screen, selection, cones, lasso: this.lasso };
      drawSky(context, width, height, { ...scene, regions: row => this._region(row) }, d3, canvas);
      this.images?.show(this.camera, width, height);
    });
  }

  /** See to it that `screen` has all points: to pick among them. */
  settle(canvas: HTMLCanvasElement): void {
    this._project(canvas.clientWidth, canvas.clientHeight, 1);
  }

  /** Draw no more. */
  stop(): void {
    clearTimeout(this._rest);
    cancelAnimationFrame(this._frame);
  }

  /** Where the points are, unless that is known. */
  private _project(width: number, height: number, each: number): void {
    const { ra, dec, scale } = this.camera;
    const seen = [ra, dec, scale, width, height, each].join();
    if (seen !== this._seen) {
      this.screen = project(this._points, this.camera, width, height, each);
      this._seen = seen;
    }
  }

  private _region(row: number): readonly Region[] {
    let found = this._regions.get(row);
    if (found === undefined) {
      found = parseRegions(this._props.table.texts('s_region')?.[row] ?? '');
      this._regions.set(row, found);
    }
    return found;
  }
}

export function SkyView(props: ISkyProps): JSX.Element {
  const { table, cones, selection, survey, trans } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [d3, setD3] = useState<D3Geo | null>(null);
  const [isSelecting, setSelecting] = useState(false);
  const [pointer, setPointer] = useState('');
  const [showsImages, setImages] = useState(false);
  const [failure, setFailure] = useState('');
  const backdrop = useRef<HTMLDivElement>(null);
  const images = useRef<SurveyImages | null>(null);
  const drag = useRef<{ x: number; y: number; moved: number } | null>(null);
  // another table or circle is another sky
  const sky = useMemo(() => {
    const [ra, dec] = [table.numbers('s_ra'), table.numbers('s_dec')];
    const points = ra && dec ? vectors(ra, dec, table.rowCount) : new Float32Array(0);
    return new Sky(points, props);
  }, [table, cones, selection]);
  const draw = (): void => {
    if (canvas.current !== null && d3 !== null) {
      sky.draw(canvas.current, d3);
    }
  };
  const move = (): void => {
    if (canvas.current !== null && d3 !== null) {
      sky.move(canvas.current, d3);
    }
  };
  useEffect(() => {
    void import('d3-geo').then(setD3);
  }, []);
  useEffect(() => {
    const element = canvas.current;
    if (element === null || d3 === null) {
      return;
    }
    const again = (): void => {
      sky.draw(element, d3);
    };
    again();
    const resized = new ResizeObserver(again);
    resized.observe(element);
    selection.changed.connect(again);
    const ended = onThemeChange(again);
    // React's wheel listeners are passive: they could not keep the page from scrolling
    const onWheel = (event: WheelEvent): void => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const [dx, dy] = [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
      sky.camera = zoom(sky.camera, Math.exp(-event.deltaY * 0.002), dx, dy, sky.whole(element));
      sky.move(element, d3);
    };
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => {
      sky.stop();
      ended();
      resized.disconnect();
      selection.changed.disconnect(again);
      element.removeEventListener('wheel', onWheel);
    };
  }, [d3, sky, selection]);

  useEffect(() => {
    if (!showsImages || survey === null || backdrop.current === null) {
      return;
    }
    const behind = new SurveyImages(backdrop.current, survey, trans.__('Survey images'), reason => {
      setImages(false);
      setFailure(trans.__('No survey images, the map goes on without: %1', reason ?? trans.__('no answer within 30 s')));
    });
    images.current = behind;
    return () => {
      images.current = null;
      behind.dispose();
    };
  }, [showsImages, survey]);
  useEffect(() => {
    sky.images = images.current;
    draw(); // the colours on images are others
  }, [showsImages, survey, sky, d3]);

  const zoomBy = (factor: number): void => {
    if (canvas.current !== null) {
      sky.camera = zoom(sky.camera, factor, 0, 0, sky.whole(canvas.current));
      draw();
    }
  };
  const place = (event: PointerEvent<HTMLCanvasElement>): [number, number] => {
    const box = event.currentTarget.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const onDown = (event: PointerEvent<HTMLCanvasElement>): void => {
    event.currentTarget.setPointerCapture(event.pointerId);
    const [x, y] = place(event);
    drag.current = { x, y, moved: 0 };
    sky.lasso = isSelecting !== event.shiftKey ? [[x, y]] : [];
  };
  const onMove = (event: PointerEvent<HTMLCanvasElement>): void => {
    const [x, y] = place(event);
    const from = drag.current;
    if (from === null) {
      const row = nearest(sky.screen, [x, y], 6);
      setPointer(row < 0 ? '' : describe(table, row));
      return;
    }
    const [dx, dy] = [x - from.x, y - from.y];
    drag.current = { x, y, moved: from.moved + Math.hypot(dx, dy) };
    if (sky.lasso.length > 0) {
      sky.lasso.push([x, y]);
    } else {
      sky.camera = pan(sky.camera, dx, dy);
    }
    move();
  };
  const onUp = (event: PointerEvent<HTMLCanvasElement>): void => {
    const done = drag.current;
    drag.current = null;
    const mode = event.ctrlKey || event.metaKey ? 'add' : 'replace';
    const { lasso } = sky;
    sky.lasso = [];
    if (done === null) {
      return;
    }
    sky.settle(event.currentTarget);
    if (done.moved < 4) {
      const row = nearest(sky.screen, place(event), 8);
      selection.select(row < 0 ? [] : [row], mode === 'add' ? 'toggle' : 'replace');
    } else if (lasso.length > 2) {
      selection.select(within(sky.screen, lasso), mode);
    }
    draw();
  };
  const onKey = (event: KeyboardEvent): void => {
    const moves: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [30, 0],
      ArrowRight: [-30, 0],
      ArrowUp: [0, 30],
      ArrowDown: [0, -30]
    };
    const move = moves[event.key];
    if (move !== undefined) {
      sky.camera = pan(sky.camera, move[0], move[1]);
      draw();
    } else if (event.key === '+' || event.key === '-') {
      zoomBy(event.key === '+' ? 1.3 : 1 / 1.3);
    } else if (event.key === 'Escape') {
      selection.clear();
    } else {
      return;
    }
    event.preventDefault();
  };
  return (
    <div className="jp-UWSSky">
      <div className="jp-UWSSky-tools" role="toolbar" aria-label={trans.__('Sky')}>
        <button
          className="jp-mod-styled"
          aria-pressed={isSelecting}
          title={trans.__('Draw around points to select them (or hold Shift)')}
          onClick={() => {
            setSelecting(!isSelecting);
          }}
        >
          {trans.__('Lasso')}
        </button>
        <button className="jp-mod-styled" aria-label={trans.__('Zoom in')} onClick={() => { zoomBy(1.5); }}>
          +
        </button>
        <button className="jp-mod-styled" aria-label={trans.__('Zoom out')} onClick={() => { zoomBy(1 / 1.5); }}>
          −
        </button>
        <button
          className="jp-mod-styled"
          onClick={() => {
            if (canvas.current !== null) {
              sky.fit(canvas.current);
              draw();
            }
          }}
        >
          {trans.__('Fit')}
        </button>
        {survey !== null && (
          <button
            className="jp-mod-styled"
            aria-pressed={showsImages}
            title={trans.__('Survey images behind the map; your browser gets them from %1', hostsOf(survey).join(', '))}
            onClick={() => {
              setImages(!showsImages);
              setFailure('');
            }}
          >
            {trans.__('Images')}
          </button>
        )}
        <span className="jp-UWSSky-pointer">{pointer}</span>
      </div>
      {failure !== '' && (
        <p className="jp-UWS-error" role="alert">
          {failure}
        </p>
      )}
      <div className={showsImages ? 'jp-UWSSky-map jp-mod-images' : 'jp-UWSSky-map'}>
        <div ref={backdrop} className="jp-UWSSky-backdrop" aria-hidden="true" />
        <canvas
          ref={canvas}
          tabIndex={0}
          role="application"
          aria-label={trans.__('Sky map: arrow keys move, plus and minus zoom')}
          className={isSelecting ? 'jp-mod-selecting' : ''}
          onPointerDown={onDown}
          onPointerMove={onMove}
          onPointerUp={onUp}
          onPointerCancel={() => {
            drag.current = null;
            sky.lasso = [];
            draw();
          }}
          onKeyDown={onKey}
        />
      </div>
    </div>
  );
}

function describe(table: Table, row: number): string {
  const position = { ra: table.numbers('s_ra')?.[row] ?? NaN, dec: table.numbers('s_dec')?.[row] ?? NaN };
  const name = table.texts('target_name')?.[row] ?? '';
  const id = table.column('obs_id')?.values[row] ?? '';
  return `${id} ${name} · ${formatPosition(position, 'sexagesimal')}`;
}
