/**
 * Lines of equal longitude and latitude over an image.
 */
import { Pair } from '../formats/wcs';
import { toImage, toScreen, Viewport } from './viewport';

/** From pixels of the image to the frame of the lines, and back. */
export interface Sky {
  toSky(x: number, y: number): Pair | null;
  toPixel(lon: number, lat: number): Pair | null;
}

export interface Line {
  readonly points: readonly (readonly [number, number])[];
  readonly label: string;
}

const STEPS = [30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001];
const SAMPLES = 60;

/** The lines that cross the canvas, as polylines on it; none where the sky is not in it. */
export function graticule(view: Viewport, sky: Sky): Line[] {
  const middle = sky.toSky(...view.centre);
  const seen: Pair[] = [];
  for (let row = 0; row <= 16; row++) {
    for (let column = 0; column <= 16; column++) {
      const place = sky.toSky(...toImage(view, (column / 16) * view.width, (row / 16) * view.height));
      if (place) {
        seen.push(place);
      }
    }
  }
  if (seen.length === 0) {
    return [];
  }
  const start = (middle ?? seen[0] ?? [0, 0])[0];
  const lons = seen.map(([lon]) => ((((lon - start) % 360) + 540) % 360) - 180);
  const lats = seen.map(([, lat]) => lat);
  let [west, east] = [Math.min(...lons), Math.max(...lons)];
  let [south, north] = [Math.min(...lats), Math.max(...lats)];
  if (east - west > 300) {
    [west, east] = [-180, 180]; // a pole is in it
  }
  const latStep = stepFor(north - south);
  const lonStep = stepFor(east - west);
  [south, north] = [Math.max(-90, south - latStep), Math.min(90, north + latStep)];
  const lines: Line[] = [];
  for (let lon = Math.ceil((start + west) / lonStep) * lonStep; lon <= start + east; lon += lonStep) {
    const label = `${trimmed((((lon % 360) + 360) % 360), lonStep)}°`;
    lines.push(...polylines(view, sky, label, part => [lon, south + part * (north - south)]));
  }
  const margin = lonStep / 2;
  for (let lat = Math.ceil(south / latStep) * latStep; lat <= north; lat += latStep) {
    const label = `${trimmed(lat, latStep)}°`;
    const [from, to] = east - west >= 360 ? [west, east] : [west - margin, east + margin];
    lines.push(...polylines(view, sky, label, part => [start + from + part * (to - from), lat]));
  }
  return lines;
}

/** The largest of the round steps that makes at least four lines. */
function stepFor(extent: number): number {
  return STEPS.find(step => extent / step >= 4) ?? 0.0001;
}

function trimmed(value: number, step: number): string {
  return value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

/** A line in pieces: broken where the sky is, or where it leaps over the canvas. */
function polylines(view: Viewport, sky: Sky, label: string, place: (part: number) => Pair): Line[] {
  const lines: Line[] = [];
  let points: [number, number][] = [];
  const end = (): void => {
    if (points.length > 1) {
      lines.push({ points, label });
    }
    points = [];
  };
  for (let sample = 0; sample <= SAMPLES; sample++) {
    const [lon, lat] = place(sample / SAMPLES);
    const pixel = Math.abs(lat) > 90 ? null : sky.toPixel(((lon % 360) + 360) % 360, lat);
    const last = points.at(-1);
    const point = pixel && toScreen(view, ...pixel);
    if (!point || (last && Math.hypot(point[0] - last[0], point[1] - last[1]) > (view.width + view.height) / 2)) {
      end();
    }
    if (point) {
      points.push(point);
    }
  }
  end();
  return lines;
}
