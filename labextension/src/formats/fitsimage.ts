/**
 * Images of FITS files: one plane at a time, in physical units.
 */
import { Hdu } from './fits';
import { readTiles } from './fitstiles';
import { ByteSource, FormatError } from './source';

/** A two-dimensional image; its first row is the lowest, as FITS has it. Missing pixels are NaN. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly values: Float32Array | Float64Array;
}

/** Pixels of the largest plane that is shown. */
export const MOST_PIXELS = 120e6;

/** How many planes an image has: the product of its axes from the third on. */
export function planeCount(hdu: Hdu): number {
  return hdu.shape.slice(2).reduce((count, axis) => count * axis, 1);
}

export function planeSize(hdu: Hdu): { width: number; height: number } {
  const { shape } = hdu;
  const size = { width: shape[0] ?? 0, height: shape[1] ?? 1 };
  if (size.width * size.height > MOST_PIXELS) {
    throw new FormatError(
      `The image has ${size.width} x ${size.height} pixels; up to ${MOST_PIXELS / 1e6} million are shown.`
    );
  }
  return size;
}

/** Read plane number `plane` (from 0, over all axes from the third on). */
export async function readPlane(source: ByteSource, hdu: Hdu, plane = 0): Promise<Plane> {
  const { width, height } = planeSize(hdu);
  const values = hdu.kind === 'compressed' ? await unpacked(source, hdu, plane) : await plainValues(source, hdu, plane);
  scale(values, hdu.header.number('BSCALE', 1), hdu.header.number('BZERO', 0));
  return { width, height, values };
}

/** What a file that was cut off lacks is NaN. */
async function unpacked(source: ByteSource, hdu: Hdu, plane: number): Promise<Plane['values']> {
  const { width, height } = planeSize(hdu);
  const bits = hdu.header.number('ZBITPIX', NaN);
  const values = new (isWide(bits) ? Float64Array : Float32Array)(width * height).fill(NaN);
  await readTiles(source, hdu, plane, values);
  return values;
}

async function plainValues(source: ByteSource, hdu: Hdu, plane: number): Promise<Plane['values']> {
  const { width, height } = planeSize(hdu);
  const bits = hdu.header.number('BITPIX', 8);
  const size = (width * height * Math.abs(bits)) / 8;
  const there = Math.min(size, hdu.dataThere - plane * size);
  if (there <= 0) {
    throw new FormatError(`The file ends before plane ${plane + 1} of the image: its data are cut off.`);
  }
  const bytes = new Uint8Array(size);
  bytes.set(await source.read(hdu.dataOffset + plane * size, there));
  const values = decode(bytes, bits, hdu.header.bigint('BLANK'));
  return values.fill(NaN, Math.floor((there * 8) / Math.abs(bits))); // what a file that was cut off lacks
}

/** 32-bit integers do not fit into the 24 bits of a float. */
function isWide(bits: number): boolean {
  return Math.abs(bits) > 16 && bits !== -32;
}

function decode(bytes: Uint8Array, bits: number, blank: bigint | null): Plane['values'] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = (bytes.length * 8) / Math.abs(bits);
  const values = new (isWide(bits) ? Float64Array : Float32Array)(count);
  const missing = blank === null || bits < 0 ? NaN : Number(blank);
  switch (bits) {
    case 8:
      values.set(bytes);
      break;
    case 16:
      fill(values, at => view.getInt16(2 * at));
      break;
    case 32:
      fill(values, at => view.getInt32(4 * at));
      break;
    case 64:
      fill(values, at => Number(view.getBigInt64(8 * at)));
      break;
    case -32:
      fill(values, at => view.getFloat32(4 * at));
      break;
    default:
      fill(values, at => view.getFloat64(8 * at));
  }
  if (!Number.isNaN(missing)) {
    fill(values, at => (values[at] === missing ? NaN : (values[at] ?? NaN)));
  }
  return values;
}

function fill(values: Plane['values'], value: (at: number) => number): void {
  for (let at = 0; at < values.length; at++) {
    values[at] = value(at);
  }
}

function scale(values: Plane['values'], factor: number, zero: number): void {
  if (factor !== 1 || zero !== 0) {
    fill(values, at => (values[at] ?? NaN) * factor + zero);
  }
}
