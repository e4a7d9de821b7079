import { describe, expect, it } from 'vitest';

import { enclose, frame, ICamera, nearest, pan, project, vectors, within, zoom } from '../../src/sky/camera';
import { aladinView, hostsOf } from '../../src/sky/images';
import { parseRegions } from '../../src/sky/regions';

const CAMERA: ICamera = { ra: 83, dec: 22, scale: 1000 };
const POINTS = vectors(Float64Array.of(83, 84, 83, 263, NaN), Float64Array.of(22, 22, 23, -22, 0), 5);

describe('the sky on the screen', () => {
  it('has North up and East to the left, and hides what is behind', () => {
    const { x, y } = project(POINTS, CAMERA, 400, 300);
    expect([x[0], y[0]]).toEqual([expect.closeTo(200, 3), expect.closeTo(150, 3)]);
    expect(x[1]).toBeCloseTo(200 - 1000 * Math.sin(Math.PI / 180) * Math.cos((22 * Math.PI) / 180), 1);
    expect(y[2]).toBeCloseTo(150 - 1000 * Math.sin(Math.PI / 180), 1);
    expect([x[3], x[4]]).toEqual([NaN, NaN]);
    expect([...project(POINTS, CAMERA, 400, 300, 2).x]).toEqual([x[0], NaN, x[2], NaN, NaN]);
  });

  it('keeps what is under the pointer there, when dragged and zoomed', () => {
    const dragged = project(POINTS, pan(CAMERA, 20, -10), 400, 300);
    expect(Math.hypot((dragged.x[0] ?? 0) - 220, (dragged.y[0] ?? 0) - 140)).toBeLessThan(0.5);
    const { x, y } = project(POINTS, CAMERA, 400, 300);
    const [dx, dy] = [(x[1] ?? 0) - 200, (y[1] ?? 0) - 150];
    const zoomed = project(POINTS, zoom(CAMERA, 3, dx, dy, 100), 400, 300);
    expect(Math.hypot((zoomed.x[1] ?? 0) - (x[1] ?? 0), (zoomed.y[1] ?? 0) - (y[1] ?? 0))).toBeLessThan(1.5);
  });

  it('shows circles whole, over 0 h, too', () => {
    const one = enclose([{ ra: 83, dec: 22, radius: 2 }], 300);
    expect([one.ra, one.dec]).toEqual([83, 22]);
    const two = enclose([{ ra: 358, dec: 0, radius: 1 }, { ra: 2, dec: 10, radius: 1 }], 300);
    expect(two.ra > 359 || two.ra < 1).toBe(true);
    const rims = vectors(Float64Array.of(358, 357, 2, 3), Float64Array.of(-1, 0, 11, 10), 4);
    const { x, y } = project(rims, two, 300, 300);
    expect(Math.min(...x, ...y)).toBeGreaterThan(0);
    expect(Math.max(...x, ...y)).toBeLessThan(300);
  });

  it('picks by lasso and by pointer', () => {
    const screen = project(POINTS, CAMERA, 400, 300);
    const around = [[190, 120], [210, 120], [210, 160], [190, 160]] as const;
    expect(within(screen, around)).toEqual([0, 2]);
    expect(nearest(screen, [201, 152], 6)).toBe(0);
    expect(nearest(screen, [300, 152], 6)).toBe(-1);
    expect(within(screen, [])).toEqual([]);
  });

  it('frames all points, also none and those all over the sky', () => {
    const camera = frame(vectors(Float64Array.of(359, 1), Float64Array.of(0, 0), 2), 300);
    expect(Math.min(camera.ra, 360 - camera.ra)).toBeLessThan(0.01);
    expect(frame(new Float32Array(0), 300).scale).toBeCloseTo(144);
    expect(frame(vectors(Float64Array.of(0, 180), Float64Array.of(0, 0), 2), 300).scale).toBeCloseTo(144);
  });
});

describe('footprints', () => {
  it('reads circles, whose number is a radius, and polygons', () => {
    expect(parseRegions('CIRCLE ICRS 83.633000 22.514500 2.5')).toEqual([
      { kind: 'circle', ra: 83.633, dec: 22.5145, radius: 2.5 }
    ]);
    expect(parseRegions('Polygon ICRS 10 20 11 20 11 21')).toEqual([
      { kind: 'polygon', corners: [[10, 20], [11, 20], [11, 21]] }
    ]);
    expect(parseRegions('Union ICRS ( Circle ICRS 1 2 3 Circle 4 5 6 )')).toHaveLength(2);
  });

  it.each(['', 'CIRCLE GALACTIC 1 2 3', 'BOX ICRS 1 2 3 4', 'CIRCLE ICRS x'])('leaves out what it cannot draw: %j', text => {
    expect(parseRegions(text)).toEqual([]);
  });
});

describe('the images behind the sky', () => {
  it('have the scale of the camera, also where the half sphere is smaller than the view', () => {
    for (const scale of [100, 150, 200, 1000, 2e5]) {
      const view = aladinView({ ...CAMERA, scale }, 300, 400);
      expect(view).toMatchObject({ ra: 83, dec: 22, side: Math.min(400, 2 * scale), radius: scale });
      expect(view.field).toBeLessThanOrEqual(180);
      // the edge of Aladin's square is half a field of view from the centre
      expect(view.side / 2 / Math.sin((view.field * Math.PI) / 360)).toBeCloseTo(scale, 5);
    }
  });

  it('come from hosts that are named once each', () => {
    expect(hostsOf({ module: 'https://a.org/x.js', url: 'http://b.org:81/hips' })).toEqual(['b.org:81', 'a.org']);
    expect(hostsOf({ module: 'https://a.org/x.js', url: 'https://a.org/hips' })).toEqual(['a.org']);
  });
});
