/**
 * The BINARY and BINARY2 serialisations of VOTable: cells are decoded when they are asked for.
 */
import { breather, FormatError } from './source';
import { Cell, CellType, integer, Table } from './table';
import { readBoolean, SIZES, splitStrings, VotField } from './votablefield';

/** The bytes of a base64 text with line breaks in it. */
export async function decodeBase64(text: string): Promise<Uint8Array> {
  const breathe = breather();
  const bytes = new Uint8Array(Math.ceil((text.length * 3) / 4));
  let size = 0;
  let rest = '';
  for (let at = 0; at < text.length; at += 1 << 18) {
    const piece = rest + text.slice(at, at + (1 << 18)).replace(/\s+/g, '');
    const whole = at + (1 << 18) < text.length ? piece.length - (piece.length % 4) : piece.length;
    rest = piece.slice(whole);
    const more = bytesOf(piece.slice(0, whole));
    bytes.set(more, size);
    size += more.length;
    await breathe();
  }
  return bytes.subarray(0, size);
}

/** The bytes of a base64 text without blanks. */
export function bytesOf(base64: string): Uint8Array {
  let characters: string;
  try {
    characters = atob(base64);
  } catch {
    throw new FormatError('The base64 text of a table in the VOTable is damaged.');
  }
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < characters.length; at++) {
    bytes[at] = characters.charCodeAt(at);
  }
  return bytes;
}

/** A table over its bytes; `hasFlags` of BINARY2, whose rows begin with a bit for each field that is null. */
export async function binaryTable(
  head: Pick<Table, 'name' | 'description' | 'columns' | 'notes'>,
  bytes: Uint8Array,
  fields: readonly VotField[],
  hasFlags: boolean
): Promise<Table> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = hasFlags ? Math.ceil(fields.length / 8) : 0;
  const starts = await findRows(view, fields, flags);
  const cell = (row: number, column: number): Cell => {
    const start = starts[row];
    const field = fields[column];
    if (start === undefined || !field || (hasFlags && isNull(view, start, column))) {
      return null;
    }
    let at = start + flags;
    for (let before = 0; before < column; before++) {
      at = skip(view, at, fields[before] ?? field);
    }
    return decode(view, at, field);
  };
  return {
    ...head,
    rows: starts.length,
    cell,
    load: () => Promise.resolve(),
    scan: async (column, visit) => {
      const breathe = breather();
      for (let row = 0; row < starts.length; row++) {
        visit(cell(row, column), row);
        if (row % 1000 === 0) {
          await breathe();
        }
      }
    }
  };
}

/** Whether BINARY2 says of the row that begins there that its value in a column is null. */
export function isNull(view: DataView, start: number, column: number): boolean {
  return ((view.getUint8(start + (column >> 3)) >> (7 - (column & 7))) & 1) === 1;
}

async function findRows(view: DataView, fields: readonly VotField[], flags: number): Promise<Float64Array> {
  const breathe = breather();
  let starts = new Float64Array(1024);
  let rows = 0;
  for (let at = 0; at < view.byteLength; ) {
    if (rows === starts.length) {
      const more = new Float64Array(2 * rows);
      more.set(starts);
      starts = more;
      await breathe();
    }
    starts[rows++] = at;
    const start = at;
    at += flags;
    for (const field of fields) {
      at = skip(view, at, field);
      if (at > view.byteLength) {
        throw new FormatError(`The data of a table in the VOTable end in the middle of row ${rows}.`);
      }
    }
    if (at === start) {
      throw new FormatError('A table in the VOTable has data but no fields.');
    }
  }
  return starts.subarray(0, rows);
}

/** Where the next field begins; Infinity where even the length of this one is not there. */
export function skip(view: DataView, at: number, field: VotField): number {
  if (field.width !== null) {
    return at + field.width;
  }
  return at + 4 > view.byteLength ? Infinity : at + 4 + Math.ceil(view.getUint32(at) * field.slice * SIZES[field.column.type]);
}

/** The value of a field that begins there. */
export function decode(view: DataView, at: number, field: VotField): Cell {
  const { type, shape } = field.column;
  if (type === 'double' && shape === '' && field.missing === null) {
    return view.getFloat64(at); // most of an archive's cells are so
  }
  const count = field.count ?? view.getUint32(at) * field.slice;
  const start = field.count === null ? at + 4 : at;
  if (type === 'char' || type === 'unicodeChar') {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + start, count * SIZES[type]);
    const text = (type === 'char' ? utf8 : utf16).decode(bytes);
    if (field.stringLength !== null) {
      return splitStrings(text, field.stringLength);
    }
    const end = text.indexOf('\0');
    return end < 0 ? text : text.slice(0, end);
  }
  if (type === 'bit' && shape === '') {
    return view.getUint8(start) === 0 ? 0 : 1; // which of the eight it is differs among writers
  }
  if (shape === '') {
    return single(view, start, 0, field);
  }
  return Array.from({ length: count }, (_, index) => single(view, start, index, field));
}

function single(view: DataView, start: number, index: number, field: VotField): Cell {
  const value = element(view, start, index, field.column.type);
  const isMissing = field.missing !== null && (typeof value === 'number' || typeof value === 'bigint');
  return isMissing && String(value) === field.missing ? null : value;
}

const utf8 = new TextDecoder();
const utf16 = new TextDecoder('utf-16be');

function element(view: DataView, start: number, index: number, type: CellType): Cell {
  const at = start + index * SIZES[type];
  switch (type) {
    case 'boolean':
      return readBoolean(String.fromCharCode(view.getUint8(at)));
    case 'bit':
      return (view.getUint8(Math.floor(at)) >> (7 - (index & 7))) & 1;
    case 'unsignedByte':
      return view.getUint8(at);
    case 'short':
      return view.getInt16(at);
    case 'int':
      return view.getInt32(at);
    case 'long':
      return integer(view.getBigInt64(at));
    case 'float':
      return view.getFloat32(at);
    case 'double':
      return view.getFloat64(at);
    case 'floatComplex':
      return { re: view.getFloat32(at), im: view.getFloat32(at + 4) };
    default:
      return { re: view.getFloat64(at), im: view.getFloat64(at + 8) };
  }
}
