/**
 * Positions on the sky: as typed, and as shown. Everything inside is ICRS, in degrees.
 */

export interface IPosition {
  /** Right ascension and declination, ICRS [deg]. */
  readonly ra: number;
  readonly dec: number;
}

const DEGREE = Math.PI / 180;

/** From ICRS to galactic: the rows are the galactic axes (Hipparcos catalogue, volume 1, section 1.5.3). */
const TO_GALACTIC = [
  [-0.0548755604162154, -0.873437090234885, -0.4838350155487132],
  [0.4941094278755837, -0.4448296299600112, 0.746982244497219],
  [-0.8676661490190047, -0.1980763734312015, 0.4559837761750669]
] as const;

export function unitVector(lon: number, lat: number): [number, number, number] {
  const [l, b] = [lon * DEGREE, lat * DEGREE];
  return [Math.cos(b) * Math.cos(l), Math.cos(b) * Math.sin(l), Math.sin(b)];
}

function angles([x, y, z]: readonly [number, number, number]): [number, number] {
  const lon = Math.atan2(y, x) / DEGREE;
  return [lon < 0 ? lon + 360 : lon, Math.atan2(z, Math.hypot(x, y)) / DEGREE];
}

/** Galactic longitude and latitude [deg]. */
export function toGalactic({ ra, dec }: IPosition): [number, number] {
  const v = unitVector(ra, dec);
  const [a, b, c] = TO_GALACTIC.map(row => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]) as [number, number, number];
  return angles([a, b, c]);
}

export function fromGalactic(l: number, b: number): IPosition {
  const v = unitVector(l, b);
  const [x, y, z] = [0, 1, 2].map(column =>
    TO_GALACTIC.reduce((sum, row, index) => sum + (row[column] ?? 0) * (v[index] ?? 0), 0)
  ) as [number, number, number];
  const [ra, dec] = angles([x, y, z]);
  return { ra, dec };
}

/** The angle between two positions [deg]; exact for small ones, too. */
export function separation(a: IPosition, b: IPosition): number {
  const [u, v] = [unitVector(a.ra, a.dec), unitVector(b.ra, b.dec)];
  const chord = Math.hypot(u[0] - v[0], u[1] - v[1], u[2] - v[2]);
  return (2 * Math.asin(Math.min(1, chord / 2))) / DEGREE;
}

const FRAMES: Readonly<Record<string, 'icrs' | 'galactic'>> = {
  icrs: 'icrs',
  j2000: 'icrs',
  equatorial: 'icrs',
  galactic: 'galactic',
  gal: 'galactic'
};

/**
 * The position that a text means, or null where it is a name.
 *
 * Two angles: degrees, or sexagesimal with the right ascension in hours; `galactic` before or after them.
 * Throws where they are angles that are not on the sky.
 */
export function parsePosition(text: string): IPosition | null {
  const words = text.replace(/[−‐-―]/g, '-').replace(/[(),;]/g, ' ').trim().split(/\s+/);
  let frame: 'icrs' | 'galactic' = 'icrs';
  for (const at of [words.length - 1, 0]) {
    const named = FRAMES[words[at]?.toLowerCase() ?? ''];
    if (named !== undefined && words.length > 1) {
      frame = named;
      words.splice(at, 1);
      break;
    }
  }
  const body = words.join(' ');
  if (!/^[\d\s:.+\-hdms°′″'"]+$/.test(body) || !/\d/.test(body)) {
    return null;
  }
  const parts = twoAngles(words);
  if (parts === null) {
    return null;
  }
  const hours = frame === 'icrs' && /[h: ]/.test(parts[0]);
  const first = angle(parts[0], text);
  const second = angle(parts[1], text);
  const limit = hours ? 24 : 360;
  if (!(first >= (hours ? 0 : -180) && first <= limit)) {
    throw new Error(`target: '${parts[0]}' is not between 0 and ${limit} ${hours ? 'h' : 'deg'}`);
  }
  if (!(second >= -90 && second <= 90)) {
    throw new Error(`target: '${parts[1]}' is not between -90 and +90 deg`);
  }
  const lon = (hours ? 15 * first : first + 360) % 360;
  return frame === 'galactic' ? fromGalactic(lon, second) : { ra: lon, dec: second };
}

function twoAngles(words: readonly string[]): [string, string] | null {
  const joined = words.length === 1 ? /^([\d:.hms]*[:h][\d:.hms]*)([+-].*)$/.exec(words[0] ?? '') : null;
  if (joined !== null) {
    return [joined[1] ?? '', joined[2] ?? ''];
  }
  if (words.length !== 2 && words.length !== 4 && words.length !== 6) {
    return null;
  }
  const half = words.length / 2;
  return [words.slice(0, half).join(' '), words.slice(half).join(' ')];
}

/** In the unit of its first part. */
function angle(text: string, whole: string): number {
  const wrong = new Error(`target: '${whole.trim()}' looks like coordinates, but '${text}' is no angle`);
  const found = /^([+-]?)(\d+(?:\.\d*)?)(?:[hd°: ]\s*(?:(\d+(?:\.\d*)?)(?:[m′': ]\s*(?:(\d+(?:\.\d*)?)[s″"]?)?)?)?)?$/.exec(text);
  if (found === null) {
    throw wrong;
  }
  const [minutes, seconds] = [Number(found[3] ?? 0), Number(found[4] ?? 0)];
  if (minutes >= 60 || seconds >= 60) {
    throw new Error(`target: '${text}' has minutes or seconds that are not below 60`);
  }
  const value = Number(found[2]) + minutes / 60 + seconds / 3600;
  return found[1] === '-' ? -value : value;
}

/** Right ascension, `05h34m31.9s`. */
export function formatRa(ra: number, digits = 1): string {
  return sexagesimal((((ra % 360) + 360) % 360) / 15, ['h', 'm', 's'], digits, 24);
}

/** Declination, `+22d00m52s`. */
export function formatDec(dec: number, digits = 0): string {
  return (dec < 0 ? '-' : '+') + sexagesimal(Math.abs(dec), ['d', 'm', 's'], digits, Infinity);
}

function sexagesimal(value: number, marks: readonly [string, string, string], digits: number, wrap: number): string {
  const unit = 10 ** digits;
  let total = Math.round(value * 3600 * unit);
  total = Number.isFinite(wrap) ? total % (wrap * 3600 * unit) : total;
  const seconds = (total % (60 * unit)) / unit;
  const minutes = Math.floor(total / (60 * unit));
  const pad = digits > 0 ? digits + 3 : 2;
  const two = (part: number): string => String(part).padStart(2, '0');
  const second = seconds.toFixed(digits).padStart(pad, '0');
  return two(Math.floor(minutes / 60)) + marks[0] + two(minutes % 60) + marks[1] + second + marks[2];
}

export type Frame = 'degrees' | 'sexagesimal' | 'galactic';

/** A position as it may be typed again. */
export function formatPosition(position: IPosition, frame: Frame): string {
  if (frame === 'sexagesimal') {
    return `${formatRa(position.ra, 2)} ${formatDec(position.dec, 1)}`;
  }
  const [lon, lat] = frame === 'galactic' ? toGalactic(position) : [position.ra, position.dec];
  return `${lon.toFixed(5)} ${lat.toFixed(5)}${frame === 'galactic' ? ' galactic' : ''}`;
}
