/**
 * How the sphere is seen: an orthographic view from inside, East to the left.
 */
import { IPosition, unitVector } from '../search/coordinates';

const DEGREE = Math.PI / 180;

export interface ICamera extends IPosition {
  /** Pixels per radian at the centre. */
  readonly scale: number;
}

/** Places of many points on the screen; NaN for those behind the sphere. */
export interface IScreen {
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** Unit vectors of positions [deg], three numbers each; NaN where a position is null. */
export function vectors(ra: Float64Array, dec: Float64Array, count: number): Float32Array {
  const found = new Float32Array(3 * count);
  for (let at = 0; at < count; at++) {
    found.set(unitVector(ra[at] ?? NaN, dec[at] ?? NaN), 3 * at);
  }
  return found;
}

/** Project many points at once: three products each, for 10^5 points are drawn at every move. */
export function project(points: Float32Array, camera: ICamera, width: number, height: number): IScreen {
  const [sa, ca] = [Math.sin(camera.ra * DEGREE), Math.cos(camera.ra * DEGREE)];
  const [sd, cd] = [Math.sin(camera.dec * DEGREE), Math.cos(camera.dec * DEGREE)];
  const count = points.length / 3;
  const [x, y] = [new Float32Array(count), new Float32Array(count)];
  for (let at = 0; at < count; at++) {
    const [px, py, pz] = [points[3 * at] ?? NaN, points[3 * at + 1] ?? NaN, points[3 * at + 2] ?? NaN];
    const towards = cd * (ca * px + sa * py) + sd * pz;
    if (towards > 0) {
      x[at] = width / 2 - camera.scale * (ca * py - sa * px);
      y[at] = height / 2 - camera.scale * (cd * pz - sd * (ca * px + sa * py));
    } else {
      x[at] = y[at] = NaN;
    }
  }
  return { x, y };
}

/** The camera after the sky was dragged by so many pixels. */
export function pan(camera: ICamera, dx: number, dy: number): ICamera {
  const dec = Math.max(-90, Math.min(90, camera.dec + dy / camera.scale / DEGREE));
  const shrink = Math.max(0.05, Math.cos(camera.dec * DEGREE));
  return { ...camera, dec, ra: (((camera.ra + dx / camera.scale / shrink / DEGREE) % 360) + 360) % 360 };
}

/** The camera after zooming; what is `dx`, `dy` pixels from the centre stays there. */
export function zoom(camera: ICamera, factor: number, dx: number, dy: number, whole: number): ICamera {
  const scale = Math.max(whole, Math.min(2e5, camera.scale * factor));
  const shift = scale / camera.scale - 1;
  return pan({ ...camera, scale }, -dx * shift, -dy * shift);
}

/** The camera that shows points: their mean direction, and as far out as the farthest. */
export function frame(points: Float32Array, size: number): ICamera {
  const sum = [0, 0, 0];
  let count = 0;
  for (let at = 0; at < points.length; at += 3) {
    if (!Number.isNaN(points[at])) {
      count++;
      for (const axis of [0, 1, 2]) {
        sum[axis] = (sum[axis] ?? 0) + (points[at + axis] ?? 0);
      }
    }
  }
  const [x = 0, y = 0, z = 0] = sum;
  const length = Math.hypot(x, y, z);
  if (count === 0 || length / count < 0.05) {
    return { ra: 83.6, dec: 0, scale: size * 0.48 };
  }
  let nearest = 1;
  for (let at = 0; at < points.length; at += 3) {
    const cosine = ((points[at] ?? 0) * x + (points[at + 1] ?? 0) * y + (points[at + 2] ?? 0) * z) / length;
    nearest = Math.min(nearest, Number.isNaN(cosine) ? 1 : cosine);
  }
  const reach = nearest <= 0 ? 1 : Math.max(Math.sqrt(1 - Math.min(1, nearest) ** 2), 2 * DEGREE);
  const ra = Math.atan2(y, x) / DEGREE;
  return { ra: (ra + 360) % 360, dec: Math.asin(z / length) / DEGREE, scale: Math.max(0.48, 0.4 / reach) * size };
}

/** The points on the screen within a closed line, `[x, y]` pixels. */
export function within({ x, y }: IScreen, line: readonly (readonly [number, number])[]): number[] {
  const found: number[] = [];
  x.forEach((px, at) => {
    const py = y[at] ?? NaN;
    let inside = false;
    for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
      const [xi, yi] = line[i] ?? [0, 0];
      const [xj, yj] = line[j] ?? [0, 0];
      if (yi > py !== yj > py && px < ((xj - xi) * (py - yi)) / (yj - yi) + xi) {
        inside = !inside;
      }
    }
    if (inside) {
      found.push(at);
    }
  });
  return found;
}

/** The point nearest to a place on the screen, at most `reach` pixels away; -1 without one. */
export function nearest({ x, y }: IScreen, at: readonly [number, number], reach: number): number {
  let [best, distance] = [-1, reach];
  x.forEach((px, row) => {
    const d = Math.hypot(px - at[0], (y[row] ?? NaN) - at[1]);
    if (d <= distance) {
      [best, distance] = [row, d];
    }
  });
  return best;
}
