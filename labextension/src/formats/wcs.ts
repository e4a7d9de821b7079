/**
 * Pixels to the sky and back (FITS WCS, papers I and II: Greisen & Calabretta 2002, Calabretta & Greisen 2002).
 *
 * Pixels count as FITS does: the centre of the first is (1, 1). Angles are in degrees.
 */
import { Header } from './fitsheader';
import { FormatError } from './source';
import { PROJECTIONS, Projection } from './projections';

export type Frame = 'equatorial' | 'galactic' | 'other';
export type Pair = readonly [number, number];
type Vector = readonly [number, number, number];

export interface Wcs {
  readonly frame: Frame;
  /** RADESYS, or the axes' own name: "ICRS", "FK5", "galactic". */
  readonly system: string;
  readonly projection: string;
  /** What is in the header and not applied here, as a sentence; '' where all is. */
  readonly caveat: string;
  /** Longitude 0..360 and latitude of a pixel; null off the sky. */
  toSky(x: number, y: number): Pair | null;
  /** The pixel of a place on the sky; null where the projection does not show it. */
  toPixel(lon: number, lat: number): Pair | null;
}

const DEG = Math.PI / 180;

/** The celestial WCS of an image, or null where its first two axes have none. */
export function readWcs(header: Header): Wcs | null {
  const types = [header.text('CTYPE1'), header.text('CTYPE2')].map(text => text.trim().toUpperCase());
  const isLon = types.map(type => /^(RA--|GLON|[A-Z]LON|[A-Z]{2}LN)/.test(type));
  const isLat = types.map(type => /^(DEC-|GLAT|[A-Z]LAT|[A-Z]{2}LT)/.test(type));
  const swapped = isLat[0] === true && isLon[1] === true;
  if (!swapped && !(isLon[0] === true && isLat[1] === true)) {
    return null;
  }
  const lonType = types[swapped ? 1 : 0] ?? '';
  const code = lonType.slice(5, 8);
  const projection = PROJECTIONS[code];
  if (!projection) {
    throw new FormatError(
      `The projection ${code || lonType} is not known here; ${Object.keys(PROJECTIONS).join(', ')} are.`
    );
  }
  const lonAxis = swapped ? 2 : 1;
  const latAxis = 3 - lonAxis;
  const scale = (axis: number): number => (unitInDegrees(header.text(`CUNIT${axis}`)) ?? 1);
  const matrix = linearMatrix(header, [scale(1), scale(2)]);
  const inverse = invert(matrix);
  const reference: Pair = [header.number('CRPIX1', 0), header.number('CRPIX2', 0)];
  const rotation = nativeRotation(header, lonAxis, latAxis, projection, scale(lonAxis));
  const frame = frameOf(lonType);
  return {
    frame,
    system: frame === 'equatorial' ? equatorialSystem(header) : frame === 'galactic' ? 'galactic' : lonType.slice(0, 4),
    projection: code,
    caveat: caveatOf(header, lonType, lonAxis, latAxis),
    toSky: (x, y) => {
      const u = multiply(matrix, [x - reference[0], y - reference[1]]);
      const native = projection.toNative(u[lonAxis - 1] ?? NaN, u[latAxis - 1] ?? NaN);
      return native && spherical(rotate(rotation, vector(native)));
    },
    toPixel: (lon, lat) => {
      const [phi, theta] = spherical(rotateBack(rotation, vector([lon, lat])));
      const u = projection.fromNative(phi > 180 ? phi - 360 : phi, theta);
      if (u === null) {
        return null;
      }
      const [dx, dy] = multiply(inverse, lonAxis === 1 ? u : [u[1], u[0]]);
      return [dx + reference[0], dy + reference[1]];
    }
  };
}

function frameOf(type: string): Frame {
  return type.startsWith('RA') ? 'equatorial' : type.startsWith('GLON') ? 'galactic' : 'other';
}

function equatorialSystem(header: Header): string {
  const named = (header.text('RADESYS') || header.text('RADECSYS')).trim();
  const equinox = header.number('EQUINOX', header.number('EPOCH', NaN));
  return named || (Number.isNaN(equinox) ? 'ICRS' : equinox < 1984 ? 'FK4' : 'FK5');
}

function caveatOf(header: Header, type: string, lonAxis: number, latAxis: number): string {
  if (type.endsWith('-SIP') || header.has('A_ORDER')) {
    return 'The distortion of the image (SIP) is not applied to its coordinates.';
  }
  for (let m = 1; m <= 2; m++) {
    if (header.number(`PV${lonAxis}_${m}`, 0) !== 0 || header.number(`PV${latAxis}_${m}`, 0) !== 0) {
      return 'The parameters of the projection (PV) are not applied to the coordinates.';
    }
  }
  return '';
}

function unitInDegrees(unit: string): number | null {
  const units: Readonly<Record<string, number>> = { deg: 1, arcmin: 1 / 60, arcsec: 1 / 3600, rad: 1 / DEG };
  return units[unit.trim().toLowerCase()] ?? null;
}

/** CD, else PC (or the older CROTA) times CDELT; row by row. */
function linearMatrix(header: Header, scale: Pair): [Pair, Pair] {
  const names = ['1_1', '1_2', '2_1', '2_2'];
  const has = (prefix: string): boolean => names.some(name => header.has(`${prefix}${name}`));
  const read = (prefix: string, unit: Pair): [Pair, Pair] => [
    [header.number(`${prefix}1_1`, unit[0]), header.number(`${prefix}1_2`, 0)],
    [header.number(`${prefix}2_1`, 0), header.number(`${prefix}2_2`, unit[1])]
  ];
  const times = ([a, b]: [Pair, Pair], [s, t]: Pair): [Pair, Pair] => [
    [a[0] * s, a[1] * s],
    [b[0] * t, b[1] * t]
  ];
  if (has('CD')) {
    return times(read('CD', [0, 0]), scale);
  }
  const delta: Pair = [header.number('CDELT1', 1) * scale[0], header.number('CDELT2', 1) * scale[1]];
  const angle = header.number('CROTA2', 0) * DEG;
  if (has('PC') || angle === 0) {
    return times(read('PC', [1, 1]), delta);
  }
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  return [
    [cos * delta[0], -sin * delta[1]],
    [sin * delta[0], cos * delta[1]]
  ];
}

function multiply([a, b]: [Pair, Pair], [x, y]: Pair): Pair {
  return [a[0] * x + a[1] * y, b[0] * x + b[1] * y];
}

function invert([a, b]: [Pair, Pair]): [Pair, Pair] {
  const determinant = a[0] * b[1] - a[1] * b[0];
  if (determinant === 0 || !Number.isFinite(determinant)) {
    throw new FormatError('The matrix of the sky coordinates in the header (CDELT, PC, CD) cannot be inverted.');
  }
  return [
    [b[1] / determinant, -a[1] / determinant],
    [-b[0] / determinant, a[0] / determinant]
  ];
}

/**
 * The rotation from native to celestial vectors: rows are the celestial axes (paper II, eq. 2 and 7-10).
 */
function nativeRotation(
  header: Header,
  lonAxis: number,
  latAxis: number,
  projection: Projection,
  scale: number
): Matrix {
  const lon = header.number(`CRVAL${lonAxis}`, 0) * scale;
  const lat = header.number(`CRVAL${latAxis}`, 0) * scale;
  const theta0 = projection.theta0;
  const lonPole = header.number('LONPOLE', header.number(`PV${lonAxis}_3`, lat >= theta0 ? 0 : 180));
  const latPole = header.number('LATPOLE', header.number(`PV${lonAxis}_4`, 90));
  const pole = theta0 === 90 ? ([lon, lat] as const) : nativePole(lon, lat, lonPole, latPole);
  return rotation(pole[0], pole[1], lonPole);
}

/** Where the native pole is on the sky, for projections whose reference is on the native equator. */
function nativePole(lon: number, lat: number, lonPole: number, latPole: number): Pair {
  const base = Math.cos(lonPole * DEG) >= 0 ? 0 : 180;
  const ratio = Math.sin(lat * DEG) / Math.abs(Math.cos(lonPole * DEG));
  if (!(Math.abs(ratio) <= 1 + 1e-12)) {
    throw new FormatError(`LONPOLE = ${lonPole} does not go with a reference at latitude ${lat}.`);
  }
  const spread = Math.acos(Math.max(-1, Math.min(1, ratio))) / DEG;
  const candidates = [base + spread, base - spread]
    .map(angle => (angle > 180 ? angle - 360 : angle))
    .filter(angle => Math.abs(angle) <= 90 + 1e-9)
    .sort((a, b) => Math.abs(a - latPole) - Math.abs(b - latPole));
  const latP = candidates[0];
  if (latP === undefined) {
    throw new FormatError(`LONPOLE = ${lonPole} does not go with a reference at latitude ${lat}.`);
  }
  if (Math.abs(lat) === 90) {
    return [lon, latP];
  }
  if (Math.abs(latP - 90) < 1e-12) {
    return [lon + lonPole - 180, 90];
  }
  if (Math.abs(latP + 90) < 1e-12) {
    return [lon - lonPole, -90];
  }
  const sin = Math.sin(lonPole * DEG) / Math.cos(lat * DEG);
  const cos = (-Math.sin(latP * DEG) * Math.sin(lat * DEG)) / (Math.cos(latP * DEG) * Math.cos(lat * DEG));
  return [lon - Math.atan2(sin, cos) / DEG, latP];
}

type Matrix = readonly [Vector, Vector, Vector];

function rotation(lonP: number, latP: number, phiP: number): Matrix {
  const [sa, ca] = [Math.sin(lonP * DEG), Math.cos(lonP * DEG)];
  const [sd, cd] = [Math.sin(latP * DEG), Math.cos(latP * DEG)];
  const [sp, cp] = [Math.sin(phiP * DEG), Math.cos(phiP * DEG)];
  return [
    [-sa * sp - ca * cp * sd, sa * cp - ca * sp * sd, ca * cd],
    [ca * sp - sa * cp * sd, -ca * cp - sa * sp * sd, sa * cd],
    [cp * cd, sp * cd, sd]
  ];
}

function vector([lon, lat]: Pair): Vector {
  const cos = Math.cos(lat * DEG);
  return [cos * Math.cos(lon * DEG), cos * Math.sin(lon * DEG), Math.sin(lat * DEG)];
}

function spherical([x, y, z]: Vector): Pair {
  const lon = Math.atan2(y, x) / DEG;
  return [lon < 0 ? lon + 360 : lon, Math.atan2(z, Math.hypot(x, y)) / DEG];
}

function rotate([a, b, c]: Matrix, v: Vector): Vector {
  return [dot(a, v), dot(b, v), dot(c, v)];
}

function rotateBack([a, b, c]: Matrix, v: Vector): Vector {
  return [
    a[0] * v[0] + b[0] * v[1] + c[0] * v[2],
    a[1] * v[0] + b[1] * v[1] + c[1] * v[2],
    a[2] * v[0] + b[2] * v[1] + c[2] * v[2]
  ];
}

function dot(a: Vector, b: Vector): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/** Rows are the galactic axes in ICRS. */
const GALACTIC: Matrix = [
  [-0.05487565771259163, -0.8734370519556159, -0.48383507361671546],
  [0.4941094371927268, -0.44482972122329517, 0.7469821839866676],
  [-0.8676661375596576, -0.19807633727300059, 0.45598381368730156]
];

/** A place in ICRS in galactic coordinates, and back. */
export function toGalactic(lon: number, lat: number): Pair {
  return spherical(rotate(GALACTIC, vector([lon, lat])));
}

export function fromGalactic(lon: number, lat: number): Pair {
  return spherical(rotateBack(GALACTIC, vector([lon, lat])));
}

/** Coordinates as observers write them: hours and degrees, seconds to a hundredth and a tenth. */
export function sexagesimal(lon: number, lat: number): string {
  return `${parts(lon / 15, 2).replace(/^24/, '00')} ${lat < 0 ? '-' : '+'}${parts(Math.abs(lat), 1)}`;
}

function parts(value: number, digits: number): string {
  const unit = 10 ** digits;
  const seconds = Math.round(value * 3600 * unit);
  const pad = (number: number): string => String(number).padStart(2, '0');
  const [whole, rest] = [Math.floor(seconds / (3600 * unit)), seconds % (3600 * unit)];
  const last = (rest % (60 * unit)) / unit;
  return `${pad(whole)}:${pad(Math.floor(rest / (60 * unit)))}:${last.toFixed(digits).padStart(3 + digits, '0')}`;
}
