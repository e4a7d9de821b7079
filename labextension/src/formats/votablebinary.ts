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
    let characters: string;
    try {
      characters = atob(piece.slice(0, whole));
    } catch {
      throw new FormatError('The base64 text of a table in the VOTable is damaged.');
    }
    for (let i = 0; i < characters.length; i++) {
      bytes[size++] = characters.charCodeAt(i);
    }
    await breathe();
  }
  return bytes.subarray(0, size);
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

function isNull(view: DataView, start: number, column: number): boolean {
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
      at = at + 4 > view.byteLength && field.count === null ? Infinity : skip(view, at, field);
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

/** Where the next field begins. */
function skip(view: DataView, at: number, field: VotField): number {
  const size = SIZES[field.column.type];
  return field.count === null
    ? at + 4 + Math.ceil(view.getUint32(at) * field.slice * size)
    : at + Math.ceil(field.count * size);
}

function decode(view: DataView, at: number, field: VotField): Cell {
  const { type, shape } = field.column;
  const count = field.count ?? view.getUint32(at) * field.slice;
  const start = field.count === null ? at + 4 : at;
  if (type === 'char' || type === 'unicodeChar') {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + start, count * SIZES[type]);
    const text = (type === 'char' ? utf8 : utf16).decode(bytes);
    return field.stringLength === null ? text.replace(/\0.*$/s, '') : splitStrings(text, field.stringLength);
  }
  const one = (index: number): Cell => {
    const value = element(view, start, index, type);
    const isInteger = typeof value === 'number' || typeof value === 'bigint';
    return isInteger && field.missing !== null && String(value) === field.missing ? null : value;
  };
  if (type === 'bit' && shape === '') {
    return view.getUint8(start) === 0 ? 0 : 1; // which of the eight it is differs among writers
  }
  return shape === '' ? one(0) : Array.from({ length: count }, (_, index) => one(index));
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
