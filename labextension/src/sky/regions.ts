/**
 * Footprints: `s_region` as ADQL and ObsCore write it (STC-S), as lines on the sphere.
 */

export interface ICircleRegion {
  readonly kind: 'circle';
  /** Centre and radius, ICRS [deg]. */
  readonly ra: number;
  readonly dec: number;
  readonly radius: number;
}

export interface IPolygonRegion {
  readonly kind: 'polygon';
  /** Corners, ICRS [deg]. */
  readonly corners: readonly (readonly [number, number])[];
}

export type Region = ICircleRegion | IPolygonRegion;

/** Words of STC-S that say how, not where, and change nothing here. */
const IGNORED = new Set(['ICRS', 'J2000', 'UNKNOWNFRAME', 'BARYCENTER', 'GEOCENTER', 'TOPOCENTER', 'UNKNOWNREFPOS', 'SPHERICAL2']);

/** The circles and polygons that a text names; those of other frames than ICRS, and all else, are left out. */
export function parseRegions(text: string): Region[] {
  const found: Region[] = [];
  const tokens = text.toUpperCase().split(/[\s(),]+/);
  for (let at = 0; at < tokens.length; at++) {
    const kind = tokens[at];
    if (kind !== 'CIRCLE' && kind !== 'POLYGON') {
      continue;
    }
    while (IGNORED.has(tokens[at + 1] ?? '')) {
      at++;
    }
    const numbers: number[] = [];
    while (/^[-+.\d]/.test(tokens[at + 1] ?? '')) {
      numbers.push(Number(tokens[++at]));
    }
    const [ra = NaN, dec = NaN, radius = NaN] = numbers;
    if (kind === 'CIRCLE' && numbers.length === 3) {
      found.push({ kind: 'circle', ra, dec, radius });
    } else if (kind === 'POLYGON' && numbers.length >= 6) {
      const count = Math.floor(numbers.length / 2);
      const corners = Array.from({ length: count }, (_, corner) => {
        return [numbers[2 * corner] ?? NaN, numbers[2 * corner + 1] ?? NaN] as const;
      });
      found.push({ kind: 'polygon', corners });
    }
  }
  return found;
}
