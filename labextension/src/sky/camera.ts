/**
 * How the sphere is seen: an orthographic view from inside, East to the left.
 */
import { IPosition } from '../search/coordinates';

const DEGREE = Math.PI / 180;

export interface ICamera extends IPosition {
  /** Pixels per radian at the centre. */
  readonly scale: number;
}

/** Places of many points on the screen; NaN for those behind the sphere, and for all but `each` so many-th. */
export interface IScreen {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly each: number;
}

/** Unit vectors of positions [deg], three numbers each; NaN where a position is null. */
export function vectors(ra: Float64Array, dec: Float64Array, count: number): Float32Array {
  const found = new Float32Array(3 * count);
  for (let at = 0; at < count; at++) {
    const alpha = (ra[at] ?? NaN) * DEGREE;
    const delta = (dec[at] ?? NaN) * DEGREE;
    found[3 * at] = Math.cos(delta) * Math.cos(alpha);
    found[3 * at + 1] = Math.cos(delta) * Math.sin(alpha);
    found[3 * at + 2] = Math.sin(delta);
  }
  return found;
}

/** Project many points at once, or each so many-th: three products each, for 10^5 are drawn at every move. */
export function project(points: Float32Array, camera: ICamera, width: number, height: number, each = 1): IScreen {
  const [sa, ca] = [Math.sin(camera.ra * DEGREE), Math.cos(camera.ra * DEGREE)];
  const [sd, cd] = [Math.sin(camera.dec * DEGREE), Math.cos(camera.dec * DEGREE)];
  const count = points.length / 3;
  const x = new Float32Array(count).fill(NaN);
  const y = new Float32Array(count).fill(NaN);
  for (let at = 0; at < count; at += each) {
    const px = points[3 * at] ?? NaN;
    const py = points[3 * at + 1] ?? NaN;
    const pz = points[3 * at + 2] ?? NaN;
    const towards = cd * (ca * px + sa * py) + sd * pz;
    if (towards > 0) {
      x[at] = width / 2 - camera.scale * (ca * py - sa * px);
      y[at] = height / 2 - camera.scale * (cd * pz - sd * (ca * px + sa * py));
    }
  }
  return { x, y, each };
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
  let [x, y, z] = [0, 0, 0];
  let count = 0;
  for (let at = 0; at < points.length; at += 3) {
    if (!Number.isNaN(points[at])) {
      count++;
      x += points[at] ?? 0;
      y += points[at + 1] ?? 0;
      z += points[at + 2] ?? 0;
    }
  }
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

/** The camera that shows circles, and a little around them. */
export function enclose(circles: readonly (IPosition & { readonly radius: number })[], size: number): ICamera {
  const [first, ...others] = circles;
  if (first !== undefined && others.length === 0) {
    const reach = Math.sin(Math.min(90, first.radius * 1.3) * DEGREE);
    return { ra: first.ra, dec: first.dec, scale: (size * 0.48) / Math.max(reach, 1e-4) };
  }
  const rims = circles.flatMap(({ ra, dec, radius }) => {
    const aside = radius / Math.max(0.05, Math.cos(dec * DEGREE));
    return [[ra, Math.min(90, dec + radius)], [ra, Math.max(-90, dec - radius)], [ra - aside, dec], [ra + aside, dec]] as const;
  });
  const [ras, decs] = [Float64Array.from(rims, ([ra]) => ra), Float64Array.from(rims, ([, dec]) => dec)];
  return frame(vectors(ras, decs, rims.length), size);
}

/** The points on the screen within a closed line, `[x, y]` pixels. */
export function within({ x, y }: IScreen, line: readonly (readonly [number, number])[]): number[] {
  const found: number[] = [];
  const [xs, ys] = [Float64Array.from(line, ([px]) => px), Float64Array.from(line, ([, py]) => py)];
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  for (let at = 0; at < x.length; at++) {
    const px = x[at] ?? NaN;
    if (px >= left && px <= right && isWithin(px, y[at] ?? NaN, xs, ys)) {
      found.push(at);
    }
  }
  return found;
}

/** Whether a point is within a closed line: a ray from it crosses the line an odd number of times. */
function isWithin(px: number, py: number, xs: Float64Array, ys: Float64Array): boolean {
  let inside = false;
  for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
    const yi = ys[i] ?? 0;
    const yj = ys[j] ?? 0;
    if (yi > py !== yj > py) {
      const xi = xs[i] ?? 0;
      if (px < (((xs[j] ?? 0) - xi) * (py - yi)) / (yj - yi) + xi) {
        inside = !inside;
      }
    }
  }
  return inside;
}

/** The point nearest to a place on the screen, at most `reach` pixels away; -1 without one. */
export function nearest({ x, y }: IScreen, at: readonly [number, number], reach: number): number {
  let best = -1;
  let distance = reach * reach;
  for (let row = 0; row < x.length; row++) {
    const dx = (x[row] ?? NaN) - at[0];
    const dy = (y[row] ?? NaN) - at[1];
    const square = dx * dx + dy * dy;
    if (square <= distance) {
      best = row;
      distance = square;
    }
  }
  return best;
}
