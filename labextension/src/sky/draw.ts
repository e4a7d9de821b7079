/**
 * Draw the sky on a canvas: graticule, footprints, points, search circle. The lines are d3-geo's, the points ours.
 */
import type { GeoPermissibleObjects, GeoProjection } from 'd3-geo';

import { Selection } from '../grid/selection';
import { colour } from '../grid/theme';
import { ICone } from '../search/query';
import { ICamera, IScreen } from './camera';
import { Region } from './regions';

export type D3Geo = typeof import('d3-geo');

export interface ISkyScene {
  readonly camera: ICamera;
  readonly screen: IScreen;
  readonly selection: Selection;
  readonly cones: readonly ICone[];
  /** Footprints of a row; parsed once. */
  readonly regions: (row: number) => readonly Region[];
  readonly lasso: readonly (readonly [number, number])[];
}

/** More footprints than this are too many to see: then only those of selected rows are drawn. */
const FOOTPRINTS = 400;
const STEPS = [30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1];

export function drawSky(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  scene: ISkyScene,
  d3: D3Geo,
  canvas: Element
): void {
  const { camera } = scene;
  const projection = d3
    .geoOrthographic()
    .reflectX(true)
    .rotate([-camera.ra, -camera.dec])
    .scale(camera.scale)
    .translate([width / 2, height / 2])
    .clipAngle(90)
    .clipExtent([
      [-width, -height],
      [2 * width, 2 * height]
    ]);
  const path = d3.geoPath(projection, context);
  const stroke = (shape: GeoPermissibleObjects, style: string, line: number): void => {
    context.beginPath();
    path(shape);
    context.strokeStyle = style;
    context.lineWidth = line;
    context.stroke();
  };
  const [grid, text] = [colour(canvas, '--jp-border-color2', '#ddd'), colour(canvas, '--jp-ui-font-color2', '#666')];
  const [dots, selected] = [colour(canvas, '--jp-layout-color4', '#888'), colour(canvas, '--jp-brand-color1', '#1976d2')];
  const field = (Math.min(width, height) / camera.scale) * (180 / Math.PI);
  const step = STEPS.find(candidate => field / candidate >= 3) ?? 0.1;
  const reach = Math.min(90, field);
  const [south, north] = [Math.max(-90, camera.dec - reach), Math.min(90, camera.dec + reach)];
  const step2 = Math.abs(camera.dec) + field > 85 ? Math.max(step, 15) : step;
  stroke(
    d3
      .geoGraticule()
      .step([step2, step])
      .extentMajor([
        [-180, -90],
        [180, 90]
      ])
      .extentMinor([
        [-180, Math.floor(south / step) * step],
        [180, Math.ceil(north / step) * step]
      ])
      .precision(step < 5 ? 0.5 : 2.5)(),
    grid,
    1
  );
  if (camera.scale < Math.min(width, height)) {
    stroke({ type: 'Sphere' }, text, 1);
  }
  labels(context, width, height, projection, camera, step, step2, text);
  const shown = footprints(scene, width, height);
  context.globalAlpha = 0.6;
  for (const row of shown) {
    for (const region of scene.regions(row)) {
      stroke(outline(region, d3), scene.selection.has(row) ? selected : dots, scene.selection.has(row) ? 1.5 : 0.7);
    }
  }
  context.globalAlpha = 1;
  points(context, scene, width, height, dots, selected);
  context.setLineDash([5, 4]);
  for (const { ra, dec, radius } of scene.cones) {
    const circle = d3.geoCircle().center([ra, dec]).radius(radius);
    stroke({ type: 'LineString', coordinates: circle().coordinates[0] ?? [] }, colour(canvas, '--jp-warn-color1', '#f57c00'), 1.5);
  }
  context.setLineDash([]);
  if (scene.lasso.length > 1) {
    context.beginPath();
    scene.lasso.forEach(([x, y]) => {
      context.lineTo(x, y);
    });
    context.closePath();
    context.strokeStyle = selected;
    context.lineWidth = 1.5;
    context.stroke();
    context.globalAlpha = 0.15;
    context.fillStyle = selected;
    context.fill();
    context.globalAlpha = 1;
  }
}

/** As a line: a polygon's inside would depend on the direction in which its corners are given. */
function outline(region: Region, d3: D3Geo): GeoPermissibleObjects {
  if (region.kind === 'circle') {
    const circle = d3.geoCircle().center([region.ra, region.dec]).radius(region.radius).precision(4);
    return { type: 'LineString', coordinates: circle().coordinates[0] ?? [] };
  }
  const corners = region.corners.map(([ra, dec]) => [ra, dec]);
  return { type: 'LineString', coordinates: [...corners, corners[0] ?? []] };
}

function footprints({ screen, selection }: ISkyScene, width: number, height: number): number[] {
  const visible: number[] = [];
  const chosen: number[] = [];
  for (let row = 0; row < screen.x.length; row += screen.each) {
    const x = screen.x[row] ?? NaN;
    const y = screen.y[row] ?? NaN;
    if (x > -width && x < 2 * width && y > -height && y < 2 * height) {
      if (visible.length <= FOOTPRINTS) {
        visible.push(row);
      }
      if (chosen.length < FOOTPRINTS && selection.has(row)) {
        chosen.push(row);
      }
      if (visible.length > FOOTPRINTS && chosen.length === Math.min(FOOTPRINTS, selection.count)) {
        break;
      }
    }
  }
  return visible.length > FOOTPRINTS ? chosen : visible;
}

/** Points that fall on a place where one is drawn already are left out: so there are no more than places. */
function points(
  context: CanvasRenderingContext2D,
  { screen, selection }: ISkyScene,
  width: number,
  height: number,
  dots: string,
  selected: string
): void {
  const size = screen.x.length > 5000 ? 2 : 5;
  const across = Math.ceil(width / 2);
  const taken = new Uint8Array(across * Math.ceil(height / 2));
  for (const chosen of selection.count > 0 ? [false, true] : [false]) {
    context.fillStyle = chosen ? selected : dots;
    const side = chosen ? size + 1 : size;
    const mark = chosen ? 2 : 1;
    for (let row = 0; row < screen.x.length; row += screen.each) {
      const x = screen.x[row] ?? NaN;
      const y = screen.y[row] ?? NaN;
      if (x >= 0 && x < width && y >= 0 && y < height && selection.has(row) === chosen) {
        const place = (y >> 1) * across + (x >> 1);
        if (taken[place] !== mark) {
          taken[place] = mark;
          context.fillRect(x - side / 2, y - side / 2, side, side);
        }
      }
    }
  }
}

function labels(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  projection: GeoProjection,
  camera: ICamera,
  step: number,
  step2: number,
  fill: string
): void {
  context.font = '10px sans-serif';
  context.fillStyle = fill;
  context.textAlign = 'left';
  const digits = step < 1 ? 1 : 0;
  const written: (readonly [number, number])[] = [];
  const write = (ra: number, dec: number, words: string): void => {
    const place = projection([ra, dec]);
    const isFree = place !== null && !written.some(([x, y]) => Math.abs(x - place[0]) < 32 && Math.abs(y - place[1]) < 11);
    if (isFree && place[0] > 0 && place[0] < width - 30 && place[1] > 10 && place[1] < height) {
      context.fillText(words, place[0] + 3, place[1] - 3);
      written.push(place);
    }
  };
  // along the lower edge, or the equator of the whole sphere; at the pole they would all be in one place
  const edge = (Math.asin(Math.min(1, (height / 2 - 12) / camera.scale)) * 180) / Math.PI;
  const lowest = camera.dec - edge;
  const low = edge > 45 ? 0 : lowest < -80 ? camera.dec + edge / 2 : lowest;
  for (let at = -6; at <= 6; at++) {
    const dec = Math.round(camera.dec / step + at) * step;
    if (Math.abs(dec) < 90) {
      write(camera.ra, dec, `${dec > 0 ? '+' : ''}${dec.toFixed(digits)}°`);
    }
    const ra = (((Math.round(camera.ra / step2 + at) * step2) % 360) + 360) % 360;
    write(ra, low, `${ra.toFixed(digits)}°`);
  }
}
