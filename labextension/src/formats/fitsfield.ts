/**
 * The columns of FITS tables: how the bytes of a cell become its value.
 */
import { Header } from './fitsheader';
import { FormatError } from './source';
import { Cell, CellType, Column, integer } from './table';

export type Decode = (view: DataView, offset: number) => Cell;

export interface Field {
  readonly column: Column;
  /** Bytes from the start of the row, and of the cell. */
  readonly offset: number;
  readonly width: number;
  readonly decode: Decode;
  /** Of a cell that is kept in the heap: where, bytes of an element, and its value. */
  readonly variable: Variable | null;
}

interface Variable {
  readonly size: number;
  locate(view: DataView, offset: number): { count: number; at: number };
  decode(view: DataView, count: number): Cell;
}

interface Element {
  readonly size: number;
  readonly type: CellType;
  readonly decode: Decode;
}

/** FITS's letters; strings, bits and descriptors are made separately. */
const ELEMENTS: Readonly<Record<string, Element>> = {
  L: { size: 1, type: 'boolean', decode: (view, at) => logical(view.getUint8(at)) },
  B: { size: 1, type: 'unsignedByte', decode: (view, at) => view.getUint8(at) },
  I: { size: 2, type: 'short', decode: (view, at) => view.getInt16(at) },
  J: { size: 4, type: 'int', decode: (view, at) => view.getInt32(at) },
  K: { size: 8, type: 'long', decode: (view, at) => integer(view.getBigInt64(at)) },
  E: { size: 4, type: 'float', decode: (view, at) => view.getFloat32(at) },
  D: { size: 8, type: 'double', decode: (view, at) => view.getFloat64(at) },
  C: { size: 8, type: 'floatComplex', decode: (v, at) => ({ re: v.getFloat32(at), im: v.getFloat32(at + 4) }) },
  M: { size: 16, type: 'doubleComplex', decode: (v, at) => ({ re: v.getFloat64(at), im: v.getFloat64(at + 8) }) }
};

function logical(byte: number): boolean | null {
  return byte === 84 ? true : byte === 70 ? false : null; // T, F
}

/** Column `number` (from 1) of a binary table. */
export function parseField(header: Header, number: number, offset: number): Field {
  const form = header.text(`TFORM${number}`).trim();
  const match = /^(\d*)([LXBIJKAEDCMPQ])(.*)$/.exec(form);
  if (!match) {
    throw new FormatError(`TFORM${number} = '${form}' is no form of a column of a FITS table.`);
  }
  const repeat = match[1] ? Number(match[1]) : 1;
  const [letter, rest] = [match[2] ?? '', match[3] ?? ''];
  const dimensions = parseDimensions(header.text(`TDIM${number}`));
  const of = (type: CellType, shape: string): Column => describe(header, number, type, shape);
  if (letter === 'P' || letter === 'Q') {
    return variableField(header, number, offset, letter, rest, repeat, of);
  }
  if (letter === 'A') {
    // "rAw" is an older way to say that there are strings of w characters
    const length = dimensions?.[0] ?? (/^\d+$/.test(rest) ? Number(rest) : repeat);
    const count = length > 0 ? Math.floor(repeat / length) : 0;
    const decode: Decode = (view, at) => text(view, at, length);
    const shape = count > 1 ? (dimensions?.slice(1).join('x') ?? String(count)) : '';
    const cell = shape ? arrayOf(decode, length, count) : (v: DataView, at: number) => text(v, at, repeat);
    return { column: of('char', shape), offset, width: repeat, decode: cell, variable: null };
  }
  if (letter === 'X') {
    const shape = repeat === 1 ? '' : String(repeat);
    const decode: Decode = repeat === 1 ? (view, at) => bit(view, at, 0) : (view, at) => bits(view, at, repeat);
    return { column: of('bit', shape), offset, width: Math.ceil(repeat / 8), decode, variable: null };
  }
  const element = scaled(elementOf(letter), header, number);
  const product = dimensions?.reduce((size, axis) => size * axis, 1);
  const shape = repeat === 1 ? '' : product === repeat && dimensions ? dimensions.join('x') : String(repeat);
  const decode = repeat === 1 ? element.decode : arrayOf(element.decode, element.size, repeat);
  return { column: of(element.type, shape), offset, width: repeat * element.size, decode, variable: null };
}

function elementOf(letter: string): Element {
  const element = ELEMENTS[letter];
  if (!element) {
    throw new FormatError(`'${letter}' is no type of a column of a FITS table.`);
  }
  return element;
}

function variableField(
  header: Header,
  number: number,
  offset: number,
  letter: string,
  rest: string,
  repeat: number,
  of: (type: CellType, shape: string) => Column
): Field {
  const isWide = letter === 'Q';
  const inner = /^[LXBIJKAEDCM]/.exec(rest)?.[0];
  if (inner === undefined) {
    throw new FormatError(`TFORM${number} = '${letter}${rest}' does not say what its arrays are of.`);
  }
  const width = repeat * (isWide ? 16 : 8);
  const locate: Variable['locate'] = (view, at) => ({
    count: isWide ? Number(view.getBigInt64(at)) : view.getInt32(at),
    at: isWide ? Number(view.getBigInt64(at + 8)) : view.getInt32(at + 4)
  });
  if (repeat === 0) {
    return { column: of('double', '*'), offset, width, decode: () => null, variable: null };
  }
  if (inner === 'A' || inner === 'X') {
    const isText = inner === 'A';
    const variable: Variable = {
      size: isText ? 1 : 1 / 8,
      locate,
      decode: isText ? (view, count) => text(view, 0, count) : (view, count) => bits(view, 0, count)
    };
    const column = of(isText ? 'char' : 'bit', '*');
    return { column, offset, width, decode: () => null, variable };
  }
  const element = scaled(elementOf(inner), header, number);
  const variable: Variable = {
    size: element.size,
    locate,
    decode: (view, count) => arrayOf(element.decode, element.size, count)(view, 0)
  };
  return { column: of(element.type, '*'), offset, width, decode: () => null, variable };
}

function describe(header: Header, number: number, type: CellType, shape: string): Column {
  return {
    name: header.text(`TTYPE${number}`).trim() || `col${number}`,
    type,
    shape,
    unit: header.text(`TUNIT${number}`).trim(),
    ucd: header.text(`TUCD${number}`).trim(),
    description: commentOf(header, number)
  };
}

/** What the writer says of a column: TCOMM, else the comment of its name, where that says more than any. */
function commentOf(header: Header, number: number): string {
  const said = header.text(`TCOMM${number}`).trim();
  if (said) {
    return said;
  }
  const comment = header.cards.find(card => card.keyword === `TTYPE${number}`)?.comment ?? '';
  return /^(label for )?(field|column|name of|data format)\b/i.test(comment) ? '' : comment;
}

/** TNULL, TSCAL and TZERO; zeros that make integers unsigned (or bytes signed) keep them integers. */
function scaled(element: Element, header: Header, number: number): Element {
  const { decode } = element;
  const isInteger = ['unsignedByte', 'short', 'int', 'long'].includes(element.type);
  const blank = isInteger ? header.bigint(`TNULL${number}`) : null;
  const missing = blank === null ? null : integer(blank);
  const orNull: Decode = (view, at) => {
    const value = decode(view, at);
    return value === missing ? null : value;
  };
  const raw = missing === null ? decode : orNull;
  const factor = header.number(`TSCAL${number}`, 1);
  const zero = header.number(`TZERO${number}`, 0);
  if ((factor === 1 && zero === 0) || element.type === 'boolean') {
    return { ...element, decode: raw };
  }
  const exact = header.bigint(`TZERO${number}`) ?? (Number.isInteger(zero) ? BigInt(zero) : null);
  if (isInteger && factor === 1 && exact !== null) {
    const isLong = element.type === 'long';
    const shift: Decode = (view, at) => {
      const value = raw(view, at);
      if (typeof value !== 'number' && typeof value !== 'bigint') {
        return value;
      }
      return isLong ? integer(BigInt(value) + exact) : Number(value) + zero;
    };
    return { ...element, type: widened(element.type), decode: shift };
  }
  const scale: Decode = (view, at) => {
    const value = raw(view, at);
    if (typeof value === 'object' && value !== null && 're' in value) {
      return { re: value.re * factor + zero, im: value.im * factor };
    }
    return typeof value === 'number' || typeof value === 'bigint' ? Number(value) * factor + zero : value;
  };
  return { ...element, type: isInteger ? 'double' : element.type, decode: scale };
}

/** The type that holds the values of a shifted one. */
function widened(type: CellType): CellType {
  return type === 'unsignedByte' ? 'short' : type === 'short' ? 'int' : 'long';
}

/** "(3,4)" as [3, 4]. */
function parseDimensions(text: string): number[] | null {
  const match = /^\s*\(([\d,\s]+)\)\s*$/.exec(text);
  return match ? (match[1] ?? '').split(',').map(Number) : null;
}

function arrayOf(decode: Decode, size: number, count: number): Decode {
  return (view, offset) => Array.from({ length: count }, (_, at) => decode(view, offset + at * size));
}

function text(view: DataView, offset: number, length: number): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length);
  const end = bytes.indexOf(0);
  return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end)).trimEnd();
}

/** FITS says ASCII; some write more. */
const utf8 = new TextDecoder();

function bit(view: DataView, offset: number, at: number): number {
  return (view.getUint8(offset + (at >> 3)) >> (7 - (at & 7))) & 1;
}

function bits(view: DataView, offset: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => bit(view, offset, at));
}

/** Column `number` (from 1) of an ASCII table. */
export function parseAsciiField(header: Header, number: number): Field {
  const form = header.text(`TFORM${number}`).trim();
  const match = /^([AIFED])(\d+)(?:\.(\d+))?$/.exec(form);
  if (!match) {
    throw new FormatError(`TFORM${number} = '${form}' is no form of a column of an ASCII table.`);
  }
  const [letter, width, decimals] = [match[1], Number(match[2]), Number(match[3] ?? 0)];
  const offset = header.count(`TBCOL${number}`) - 1;
  const blank = header.text(`TNULL${number}`).trim();
  const factor = header.number(`TSCAL${number}`, 1);
  const zero = header.number(`TZERO${number}`, 0);
  const decode: Decode = (view, at) => {
    const cell = text(view, at, width);
    if (letter === 'A') {
      return cell;
    }
    const digits = cell.trim();
    if (digits === '' || (header.has(`TNULL${number}`) && digits === blank)) {
      return null;
    }
    if (letter === 'I' && factor === 1 && zero === 0) {
      return /^[-+]?\d+$/.test(digits) ? integer(BigInt(digits.replace('+', ''))) : null;
    }
    // a number without a point has one before its last digits
    const value = Number(digits.replace(/[Dd]/, 'E')) / (/[.EeDd]/.test(digits) ? 1 : 10 ** decimals);
    return Number.isNaN(value) ? null : value * factor + zero;
  };
  const type = letter === 'A' ? 'char' : letter === 'I' && factor === 1 ? 'long' : letter === 'E' ? 'float' : 'double';
  return { column: describe(header, number, type, ''), offset, width, decode, variable: null };
}
