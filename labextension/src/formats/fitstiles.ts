/**
 * Images that are compressed in tiles (FITS 4.0, section 10): RICE_1, GZIP_1, GZIP_2 and NOCOMPRESS.
 *
 * Of a plane, its tiles alone are read.
 */
import type { Hdu } from './fits';
import { Field } from './fitsfield';
import { readFields } from './fitstable';
import { unpackRice } from './rice';
import { breather, ByteSource, FormatError, inflate, LARGEST_IN_MEMORY } from './source';

type Values = Float32Array | Float64Array;

/** What stands for no value, and for an exact zero, in floats that were made integers (section 10.2). */
const NULL = -2147483647;
const ZERO = -2147483646; // as all programs write it; the standard's text has the number of NULL

const KINDS = ['RICE_1', 'RICE_ONE', 'GZIP_1', 'GZIP_2', 'NOCOMPRESS'];
const DITHERS = ['', 'NONE', 'NO_DITHER', 'SUBTRACTIVE_DITHER_1', 'SUBTRACTIVE_DITHER_2'];

/** One axis of the tile grid: pixels of the image, of a tile, and how many tiles. */
interface Axis {
  readonly size: number;
  readonly tile: number;
  readonly tiles: number;
}

/** How the tiles of an HDU are to be unpacked. */
interface Packing {
  readonly kind: string;
  readonly bits: number;
  /** BYTEPIX and BLOCKSIZE of RICE_1. */
  readonly bytePix: number;
  readonly blockSize: number;
  readonly isQuantized: boolean;
  readonly dither: string;
  readonly seed: number;
  readonly blank: number | null;
}

/** Fill `values`, width x height pixels of plane `plane`; what the file lacks stays as it is. BSCALE is not applied. */
export async function readTiles(source: ByteSource, hdu: Hdu, plane: number, values: Values): Promise<void> {
  const { header } = hdu;
  const fields = readFields(header, false, header.count('NAXIS1'));
  const packing = packingOf(hdu, fields);
  const axes = axesOf(hdu);
  const [x, y] = [axes[0] ?? single, axes[1] ?? single];
  // where the plane is on the other axes: the first tile of it, and its place within these tiles
  let [first, stride, rest] = [0, x.tiles * y.tiles, plane];
  const depths: { at: number; size: number }[] = [];
  for (const axis of axes.slice(2)) {
    const place = rest % axis.size;
    rest = Math.floor(rest / axis.size);
    const tile = Math.floor(place / axis.tile);
    depths.push({ at: place - tile * axis.tile, size: Math.min(axis.tile, axis.size - tile * axis.tile) });
    first += tile * stride;
    stride *= axis.tiles;
  }
  const layers = depths.reduce((count, depth) => count * depth.size, 1);
  const layer = depths.reduceRight((at, depth) => at * depth.size + depth.at, 0);

  const rowLength = header.count('NAXIS1');
  const count = x.tiles * y.tiles;
  if (first + count > header.count('NAXIS2')) {
    throw new FormatError(`The table has ${header.count('NAXIS2')} tiles, fewer than the image needs.`);
  }
  const rows = await source.read(hdu.dataOffset + first * rowLength, Math.min(count * rowLength, hdu.dataThere));
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
  const breathe = breather();
  for (let tile = 0; tile < count && (tile + 1) * rowLength <= rows.length; tile++) {
    const [left, bottom] = [(tile % x.tiles) * x.tile, Math.floor(tile / x.tiles) * y.tile];
    const [width, height] = [Math.min(x.tile, x.size - left), Math.min(y.tile, y.size - bottom)];
    const row = new Row(source, hdu, fields, view, tile * rowLength);
    const pixels = await unpack(row, packing, width * height * layers, first + tile);
    for (let line = 0; pixels !== null && line < height; line++) {
      const from = (layer * height + line) * width;
      values.set(pixels.subarray(from, from + width), (bottom + line) * x.size + left);
    }
    await breathe();
  }
}

const single: Axis = { size: 1, tile: 1, tiles: 1 };

function axesOf({ header, shape }: Hdu): Axis[] {
  const axes = shape.map((size, axis): Axis => {
    const tile = Math.min(size, header.count(`ZTILE${axis + 1}`, axis === 0 ? size : 1));
    if (tile < 1) {
      throw new FormatError(`ZTILE${axis + 1} = ${tile} in the header; a whole number from 1 on is needed.`);
    }
    return { size, tile, tiles: Math.ceil(size / tile) };
  });
  const pixels = axes.reduce((product, axis) => product * axis.tile, 1);
  if (pixels * 8 > LARGEST_IN_MEMORY) {
    throw new FormatError(`A tile of the image has ${pixels} pixels: it is too large to be unpacked.`);
  }
  return axes;
}

function packingOf({ header }: Hdu, fields: readonly Field[]): Packing {
  const kind = header.text('ZCMPTYPE').trim();
  if (!KINDS.includes(kind)) {
    throw new FormatError(`The image is compressed by ${kind || 'nothing that is named'}: shown are ${KINDS.join(', ')}.`);
  }
  const dither = header.text('ZQUANTIZ').trim();
  if (!DITHERS.includes(dither)) {
    throw new FormatError(`ZQUANTIZ = '${dither}' in the header is none of: ${DITHERS.filter(Boolean).join(', ')}.`);
  }
  const bits = header.number('ZBITPIX', NaN);
  const parameters = new Map<string, number>();
  for (let number = 1; header.has(`ZNAME${number}`); number++) {
    parameters.set(header.text(`ZNAME${number}`).trim(), header.number(`ZVAL${number}`, NaN));
  }
  const blank = header.number('ZBLANK', header.number('BLANK', NaN));
  const isScaled = header.has('ZSCALE') || fields.some(field => field.column.name === 'ZSCALE');
  return {
    kind,
    bits,
    bytePix: parameters.get('BYTEPIX') ?? 4,
    blockSize: parameters.get('BLOCKSIZE') ?? 32,
    isQuantized: bits < 0 && isScaled,
    dither,
    seed: header.count('ZDITHER0', 1),
    blank: Number.isNaN(blank) ? null : blank
  };
}

/** A row of the table: a tile. */
class Row {
  constructor(
    private readonly _source: ByteSource,
    private readonly _hdu: Hdu,
    private readonly _fields: readonly Field[],
    private readonly _view: DataView,
    private readonly _offset: number
  ) {}

  number(name: string): number | null {
    const field = this._fields.find(each => each.column.name === name);
    const value = field?.decode(this._view, this._offset + field.offset);
    return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : (this._fromHeader(name));
  }

  /** The bytes of an array in the heap; null where there is none, or where the file ends before it does. */
  async bytes(name: string): Promise<Uint8Array | null> {
    const field = this._fields.find(each => each.column.name === name);
    if (!field?.variable) {
      return null;
    }
    const { header, dataOffset, dataThere } = this._hdu;
    const { count, at } = field.variable.locate(this._view, this._offset + field.offset);
    const size = count * field.variable.size;
    const heap = header.count('THEAP', header.count('NAXIS1') * header.count('NAXIS2'));
    if (count <= 0 || at < 0 || !Number.isSafeInteger(size) || heap + at + size > dataThere) {
      return null;
    }
    return this._source.read(dataOffset + heap + at, size);
  }

  private _fromHeader(name: string): number | null {
    return this._hdu.header.has(name) ? this._hdu.header.number(name, NaN) : null;
  }
}

/** The pixels of a tile; null where the file does not have them. */
async function unpack(row: Row, packing: Packing, count: number, tile: number): Promise<Values | null> {
  const { bits, isQuantized, kind } = packing;
  const packed = await row.bytes('COMPRESSED_DATA');
  if (packed !== null) {
    const values =
      kind === 'RICE_1' || kind === 'RICE_ONE'
        ? unpackRice(packed, count, packing.bytePix, packing.blockSize)
        : numbersOf(await bytesOf(packed, kind, count), count, bits < 0 && !isQuantized, kind === 'GZIP_2');
    return isQuantized ? restore(values, row, packing, tile) : withoutBlanks(values, bits < 0 ? null : (row.number('ZBLANK') ?? packing.blank), bits);
  }
  // floats that could not be made integers
  const zipped = await row.bytes('GZIP_COMPRESSED_DATA');
  const plain = zipped === null ? await row.bytes('UNCOMPRESSED_DATA') : await bytesOf(zipped, 'GZIP_1', count);
  return plain && withoutBlanks(numbersOf(plain, count, bits < 0, false), null, bits);
}

function bytesOf(packed: Uint8Array, kind: string, count: number): Promise<Uint8Array> | Uint8Array {
  return kind === 'NOCOMPRESS' ? packed : inflate(packed, 'gzip', 8 * count);
}

/** Numbers, the highest byte first, or of all of them the highest bytes first; how long they are follows from the length. */
function numbersOf(bytes: Uint8Array, count: number, isFloat: boolean, isShuffled: boolean): ArrayLike<number> {
  const size = bytes.length / count;
  if (![1, 2, 4, 8].includes(size) || (isFloat && size < 4)) {
    throw new FormatError(`A tile of ${count} pixels unpacks to ${bytes.length} bytes: it is damaged.`);
  }
  const ordered = isShuffled ? bytes.map((_, at) => bytes[(at % size) * count + Math.floor(at / size)] ?? 0) : bytes;
  const view = new DataView(ordered.buffer, ordered.byteOffset, ordered.byteLength);
  const read: Readonly<Record<number, (at: number) => number>> = {
    1: at => view.getUint8(at),
    2: at => view.getInt16(2 * at),
    4: isFloat ? at => view.getFloat32(4 * at) : at => view.getInt32(4 * at),
    8: isFloat ? at => view.getFloat64(8 * at) : at => Number(view.getBigInt64(8 * at))
  };
  const value = read[size] ?? (() => NaN);
  return Float64Array.from({ length: count }, (_, at) => value(at));
}

function withoutBlanks(numbers: ArrayLike<number>, blank: number | null, bits: number): Values {
  const values = Math.abs(bits) > 16 && bits !== -32 ? Float64Array.from(numbers) : Float32Array.from(numbers);
  if (blank !== null) {
    values.forEach((value, at) => {
      values[at] = value === blank ? NaN : value;
    });
  }
  return values;
}

/** Integers back into floats: scaled, and without the dither that was added (section 10.2.1). */
function restore(numbers: ArrayLike<number>, row: Row, packing: Packing, tile: number): Values {
  const [factor, zero, blank] = [row.number('ZSCALE') ?? 1, row.number('ZZERO') ?? 0, row.number('ZBLANK') ?? packing.blank ?? NULL];
  const values = packing.bits === -64 ? new Float64Array(numbers.length) : new Float32Array(numbers.length);
  const isDithered = packing.dither.startsWith('SUBTRACTIVE');
  const keepsZeros = packing.dither === 'SUBTRACTIVE_DITHER_2';
  let start = (tile + packing.seed - 1) % RANDOM.length;
  let next = Math.floor((RANDOM[start] ?? 0) * 500);
  for (let at = 0; at < numbers.length; at++) {
    const number = numbers[at] ?? NaN;
    if (number === blank) {
      values[at] = NaN;
    } else if (keepsZeros && number === ZERO) {
      values[at] = 0;
    } else {
      values[at] = (isDithered ? number - (RANDOM[next] ?? 0) + 0.5 : number) * factor + zero;
    }
    next++;
    if (next === RANDOM.length) {
      start = (start + 1) % RANDOM.length;
      next = Math.floor((RANDOM[start] ?? 0) * 500);
    }
  }
  return values;
}

/** The numbers of the standard's appendix I, the same for every writer: from 0 to 1, as floats of 32 bits. */
const RANDOM = ((): Float32Array => {
  const numbers = new Float32Array(10_000);
  let seed = 1;
  for (let at = 0; at < numbers.length; at++) {
    seed = (16_807 * seed) % 2_147_483_647;
    numbers[at] = seed / 2_147_483_647;
  }
  return numbers;
})();
