/**
 * The canvas of an image: pan by dragging, zoom by the wheel or keys; colour bar; what is under the mouse.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import { JSX, PointerEvent, KeyboardEvent, useEffect, useMemo, useRef, useState } from 'react';

import { Plane } from '../formats/fitsimage';
import { Wcs } from '../formats/wcs';
import { ColorMap, levelTable, Limits, lookupTable, Stretch, unstretched } from './colors';
import { graticule } from './graticule';
import { FrameChoice, placeText, skyIn, tickText, valueText } from './readout';
import { fitted, northUp, paint, panned, toImage, valueAt, Viewport, zoomed } from './viewport';

interface Props {
  readonly plane: Plane;
  readonly wcs: Wcs | null;
  readonly limits: Limits;
  readonly stretch: Stretch;
  readonly map: ColorMap;
  readonly frame: FrameChoice;
  readonly hasGrid: boolean;
  readonly isNorthUp: boolean;
  readonly unit: string;
  readonly label: string;
  readonly trans: TranslationBundle;
}

/** Pan and zoom, apart from the size of the canvas. */
interface Camera {
  readonly centre: readonly [number, number];
  /** Times the scale at which the whole image fits. */
  readonly zoom: number;
}

const STEP = 1.25;

export function ImageCanvas(props: Props): JSX.Element {
  const { plane, wcs, limits, stretch, map, frame, hasGrid, isNorthUp, trans } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [size, setSize] = useState<readonly [number, number]>([0, 0]);
  const [camera, setCamera] = useState<Camera | null>(null);
  const [pointer, setPointer] = useState<readonly [number, number] | null>(null);
  const drag = useRef<readonly [number, number] | null>(null);
  const colors = useMemo(() => lookupTable(map), [map]);
  const levels = useMemo(() => levelTable(stretch), [stretch]);
  const view = useMemo(() => place(plane, size, camera, isNorthUp ? wcs : null), [plane, size, camera, isNorthUp, wcs]);

  useEffect(() => {
    const element = canvas.current;
    if (!element) {
      return undefined;
    }
    const measure = (): void => {
      setSize([element.clientWidth, element.clientHeight]);
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => {
      observer.disconnect();
    };
  }, []);

  useEffect(() => {
    const element = canvas.current;
    if (element && view.width > 0) {
      draw(element, view, plane, limits, levels, colors, hasGrid && wcs ? skyIn(wcs, frame) : null);
    }
  }, [view, plane, limits, levels, colors, hasGrid, wcs, frame]);

  const move = (next: Viewport): void => {
    setCamera({ centre: next.centre, zoom: next.scale / fitted(plane, ...size).scale });
  };

  // React's own wheel listeners are passive: they could not keep the page from scrolling
  useEffect(() => {
    const element = canvas.current;
    const onWheel = (event: WheelEvent): void => {
      event.preventDefault();
      move(zoomed(view, STEP ** (-event.deltaY / 100), ...placeOf(event)));
    };
    element?.addEventListener('wheel', onWheel, { passive: false });
    return () => {
      element?.removeEventListener('wheel', onWheel);
    };
  });

  const onPointerMove = (event: PointerEvent<HTMLCanvasElement>): void => {
    const at = placeOf(event.nativeEvent);
    if (drag.current) {
      move(panned(view, at[0] - drag.current[0], at[1] - drag.current[1]));
      drag.current = at;
    }
    setPointer(at);
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const shifts: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [40, 0],
      ArrowRight: [-40, 0],
      ArrowUp: [0, 40],
      ArrowDown: [0, -40]
    };
    const shift = shifts[event.key];
    if (shift) {
      move(panned(view, ...shift));
    } else if (event.key === '+' || event.key === '=') {
      move(zoomed(view, STEP));
    } else if (event.key === '-') {
      move(zoomed(view, 1 / STEP));
    } else if (event.key === '0') {
      setCamera(null);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const pixel = pointer && toImage(view, ...pointer);
  return (
    <>
      <div className="jp-UWSImage-stage">
        <canvas
          ref={canvas}
          tabIndex={0}
          role="img"
          aria-label={trans.__('%1. Drag to pan, wheel or + and - to zoom, 0 for the whole image.', props.label)}
          onPointerDown={event => {
            drag.current = placeOf(event.nativeEvent);
            event.currentTarget.setPointerCapture(event.pointerId);
          }}
          onPointerUp={() => {
            drag.current = null;
          }}
          onPointerMove={onPointerMove}
          onPointerLeave={() => {
            setPointer(null);
          }}
          onKeyDown={onKeyDown}
        />
        <ColorBar colors={colors} limits={limits} stretch={stretch} unit={props.unit} />
      </div>
      <div className="jp-UWSViewer-bar jp-UWSImage-readout">
        <button
          className="jp-mod-styled"
          disabled={camera === null}
          onClick={() => {
            setCamera(null);
          }}
        >
          {trans.__('Whole image')}
        </button>
        <output>{pixel ? describe(pixel, plane, wcs, frame, props.unit) : trans.__('Point at a pixel')}</output>
      </div>
    </>
  );
}

function placeOf(event: MouseEvent): readonly [number, number] {
  return [event.offsetX, event.offsetY];
}

function place(plane: Plane, size: readonly [number, number], camera: Camera | null, north: Wcs | null): Viewport {
  const whole = fitted(plane, ...size);
  const oriented = north ? northUp(whole, north) : whole;
  return camera ? { ...oriented, centre: camera.centre, scale: whole.scale * camera.zoom } : oriented;
}

function describe(
  pixel: readonly [number, number],
  plane: Plane,
  wcs: Wcs | null,
  frame: FrameChoice,
  unit: string
): JSX.Element {
  const value = valueAt(plane, ...pixel);
  const sky = wcs && skyIn(wcs, frame).toSky(...pixel);
  return (
    <>
      {sky && <span className="jp-UWSImage-sky">{placeText(sky, frame)}</span>}
      <span>
        x {pixel[0].toFixed(1)}, y {pixel[1].toFixed(1)}
      </span>
      <strong>{valueText(value, unit)}</strong>
    </>
  );
}

function draw(
  canvas: HTMLCanvasElement,
  view: Viewport,
  plane: Plane,
  limits: Limits,
  levels: Uint16Array,
  colors: Uint32Array,
  sky: ReturnType<typeof skyIn> | null
): void {
  const ratio = window.devicePixelRatio || 1;
  const sharp = { ...view, width: Math.round(view.width * ratio), height: Math.round(view.height * ratio) };
  canvas.width = sharp.width;
  canvas.height = sharp.height;
  const context = canvas.getContext('2d');
  if (!context || sharp.width * sharp.height === 0) {
    return;
  }
  const picture = context.createImageData(sharp.width, sharp.height);
  paint(new Uint32Array(picture.data.buffer), { ...sharp, scale: view.scale * ratio }, plane, limits, levels, colors);
  context.putImageData(picture, 0, 0);
  if (!sky) {
    return;
  }
  context.scale(ratio, ratio);
  context.font = '11px sans-serif';
  for (const { points, label } of graticule(view, sky)) {
    const path = new Path2D();
    for (const [x, y] of points) {
      path.lineTo(x, y);
    }
    outlined(context, path);
    const inside = points.find(([x, y]) => x > 4 && y > 14 && x < view.width - 40 && y < view.height - 4);
    if (inside) {
      context.lineWidth = 3;
      context.strokeStyle = 'rgba(0, 0, 0, 0.85)'; // beside the image the ground may be light
      context.strokeText(label, inside[0] + 3, inside[1] - 3);
      context.fillStyle = 'white';
      context.fillText(label, inside[0] + 3, inside[1] - 3);
    }
  }
}

/** A line that is seen on dark and on bright pixels. */
function outlined(context: CanvasRenderingContext2D, path: Path2D): void {
  context.lineWidth = 2.5;
  context.strokeStyle = 'rgba(0, 0, 0, 0.45)';
  context.stroke(path);
  context.lineWidth = 1;
  context.strokeStyle = 'rgba(255, 255, 255, 0.7)';
  context.stroke(path);
}

function ColorBar(props: { colors: Uint32Array; limits: Limits; stretch: Stretch; unit: string }): JSX.Element {
  const { colors, limits, stretch, unit } = props;
  const stops = Array.from({ length: 33 }, (_, at) => {
    const color = colors[Math.round((at / 32) * (colors.length - 1))] ?? 0;
    return `rgb(${color & 255}, ${(color >> 8) & 255}, ${(color >> 16) & 255})`;
  });
  const ticks = [1, 0.75, 0.5, 0.25, 0];
  return (
    <div className="jp-UWSImage-colorbar" aria-hidden="true">
      <div style={{ background: `linear-gradient(to top, ${stops.join(', ')})` }} />
      <ul>
        {ticks.map(tick => (
          <li key={tick}>{tickText(unstretched(tick, limits, stretch), limits[1] - limits[0])}</li>
        ))}
      </ul>
      <span>{unit}</span>
    </div>
  );
}
