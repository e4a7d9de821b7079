/**
 * Where an image is on the screen: pan, zoom, orientation; and its picture.
 */
import { Plane } from '../formats/fitsimage';
import { Wcs } from '../formats/wcs';
import { Limits } from './colors';

/** Pixel places count from (1, 1), the centre of the lowest left pixel, as in FITS. */
export interface Viewport {
  /** Size of the canvas, and the pixel of the image at its centre. */
  readonly width: number;
  readonly height: number;
  readonly centre: readonly [number, number];
  /** Canvas pixels for each pixel of the image. */
  readonly scale: number;
  /** Unit vectors of the screen's right and down, in pixels of the image. */
  readonly right: readonly [number, number];
  readonly down: readonly [number, number];
}

export function toImage(view: Viewport, x: number, y: number): [number, number] {
  const [dx, dy] = [(x - view.width / 2) / view.scale, (y - view.height / 2) / view.scale];
  return [
    view.centre[0] + dx * view.right[0] + dy * view.down[0],
    view.centre[1] + dx * view.right[1] + dy * view.down[1]
  ];
}

export function toScreen(view: Viewport, x: number, y: number): [number, number] {
  const [dx, dy] = [x - view.centre[0], y - view.centre[1]];
  return [
    view.width / 2 + view.scale * (dx * view.right[0] + dy * view.right[1]),
    view.height / 2 + view.scale * (dx * view.down[0] + dy * view.down[1])
  ];
}

/** The whole image in the canvas. */
export function fitted(plane: { width: number; height: number }, width: number, height: number): Viewport {
  const scale = Math.max(1e-6, Math.min(width / plane.width, height / plane.height));
  const centre = [(plane.width + 1) / 2, (plane.height + 1) / 2] as const;
  return { width, height, centre, scale, right: [1, 0], down: [0, -1] };
}

/** The same with north up and east to the left, as it is at the centre of the image. */
export function northUp(view: Viewport, wcs: Wcs): Viewport {
  const place = wcs.toSky(...view.centre);
  if (!place) {
    return view;
  }
  const step = 1e-3;
  const north = wcs.toPixel(place[0], place[1] + (place[1] > 0 ? -step : step));
  const east = wcs.toPixel(place[0] + step / Math.max(0.01, Math.cos((place[1] * Math.PI) / 180)), place[1]);
  if (!north || !east) {
    return view;
  }
  const sign = place[1] > 0 ? -1 : 1;
  const up = [sign * (north[0] - view.centre[0]), sign * (north[1] - view.centre[1])] as const;
  const length = Math.hypot(...up);
  const down = [-up[0] / length, -up[1] / length] as const;
  const left = [-down[1], down[0]] as const;
  const isLeft = left[0] * (east[0] - view.centre[0]) + left[1] * (east[1] - view.centre[1]) > 0;
  return { ...view, down, right: isLeft ? [-left[0], -left[1]] : left };
}

/** Larger by a factor, with the same pixel of the image at a place on the screen. */
export function zoomed(view: Viewport, factor: number, x = view.width / 2, y = view.height / 2): Viewport {
  const scale = Math.max(1e-3, Math.min(400, view.scale * factor));
  const before = toImage(view, x, y);
  const after = toImage({ ...view, scale }, x, y);
  const centre = [view.centre[0] + before[0] - after[0], view.centre[1] + before[1] - after[1]] as const;
  return { ...view, scale, centre };
}

export function panned(view: Viewport, dx: number, dy: number): Viewport {
  return { ...view, centre: toImage(view, view.width / 2 - dx, view.height / 2 - dy) };
}

export function valueAt(plane: Plane, x: number, y: number): number | null {
  const [column, row] = [Math.round(x) - 1, Math.round(y) - 1];
  if (column < 0 || row < 0 || column >= plane.width || row >= plane.height) {
    return null;
  }
  return plane.values[row * plane.width + column] ?? null;
}

/**
 * Draw what the viewport shows into the pixels of a canvas; missing pixels stay clear.
 *
 * The work goes with the canvas, not with the image, so a large one is as fluid as a small one.
 */
export function paint(
  target: Uint32Array,
  view: Viewport,
  plane: Plane,
  limits: Limits,
  levels: Uint16Array,
  colors: Uint32Array
): void {
  const { width, height, values } = plane;
  const factor = 4096 / (limits[1] - limits[0]);
  const [startX, startY] = toImage(view, 0.5, 0.5);
  const step = 1 / view.scale;
  const [stepX, stepY] = [view.right[0] * step, view.right[1] * step];
  for (let y = 0, at = 0; y < view.height; y++) {
    // half a pixel less: the floor is then the index of the nearest pixel
    let column = startX + y * view.down[0] * step - 0.5;
    let row = startY + y * view.down[1] * step - 0.5;
    for (let x = 0; x < view.width; x++, at++, column += stepX, row += stepY) {
      if (column < 0 || row < 0 || column >= width || row >= height) {
        target[at] = 0;
        continue;
      }
      const value = values[Math.floor(row) * width + Math.floor(column)] ?? NaN;
      const place = Math.max(0, Math.min(4096, (value - limits[0]) * factor));
      target[at] = Number.isNaN(value) ? 0 : (colors[levels[Math.round(place)] ?? 0] ?? 0);
    }
  }
}
