/**
 * FIELDs of a VOTable: their types, and how a cell is read from text or bytes.
 */
import { FormatError } from './source';
import { Cell, CellType, Column, integer } from './table';

export interface VotField {
  readonly column: Column;
  /** As the document has it. */
  readonly arraysize: string;
  /** Bytes of a cell where all have the same; null where each cell says it. */
  readonly width: number | null;
  /** Elements in a cell; null where each cell says it, in units of `slice` elements. */
  readonly count: number | null;
  readonly slice: number;
  /** Of strings in an array: the characters of each; null of a single string. */
  readonly stringLength: number | null;
  /** VALUES null, as the text it is. */
  readonly missing: string | null;
}

/** Bytes of an element; bits share theirs. */
export const SIZES: Readonly<Record<CellType, number>> = {
  boolean: 1,
  bit: 1 / 8,
  unsignedByte: 1,
  short: 2,
  int: 4,
  long: 8,
  char: 1,
  unicodeChar: 2,
  float: 4,
  double: 8,
  floatComplex: 8,
  doubleComplex: 16
};

export function parseField(field: Element): VotField {
  const name = field.getAttribute('name') ?? field.getAttribute('ID') ?? '';
  const type = field.getAttribute('datatype') ?? 'char';
  if (!isCellType(type)) {
    throw new FormatError(`The datatype "${type}" of the field "${name}" is not one of VOTable's.`);
  }
  const size = (field.getAttribute('arraysize') ?? '').trim();
  if (!/^(\d+x)*(\d+|\d*\*)?$/.test(size)) {
    throw new FormatError(`The arraysize "${size}" of the field "${name}" is not one of VOTable's.`);
  }
  const axes = size === '' ? [] : size.split('x');
  const isVariable = size.endsWith('*');
  const slice = (isVariable ? axes.slice(0, -1) : axes).reduce((product, axis) => product * Number(axis), 1);
  const isText = type === 'char' || type === 'unicodeChar';
  const find = (tag: string): Element | undefined => [...field.children].find(child => child.localName === tag);
  return {
    column: {
      name,
      type,
      unit: field.getAttribute('unit') ?? '',
      ucd: field.getAttribute('ucd') ?? '',
      description: find('DESCRIPTION')?.textContent?.trim().replace(/\s+/g, ' ') ?? '',
      shape: isText ? axes.slice(1).join('x') : size === '1' ? '' : size
    },
    arraysize: size,
    width: isVariable ? null : Math.ceil(slice * SIZES[type]),
    count: isVariable ? null : slice,
    slice: isVariable ? slice : 1,
    stringLength: isText && axes.length > 1 ? Number(axes[0]) : null,
    missing: find('VALUES')?.getAttribute('null') ?? null
  };
}

function isCellType(type: string): type is CellType {
  return type in SIZES;
}

/** A cell from the text of its TD. */
export function readText(text: string, field: VotField): Cell {
  const { type, shape } = field.column;
  if (type === 'char' || type === 'unicodeChar') {
    return field.stringLength === null ? text : splitStrings(text, field.stringLength);
  }
  const trimmed = text.trim();
  if (trimmed === '' || (field.missing !== null && trimmed === field.missing)) {
    return shape === '' || trimmed !== '' ? null : [];
  }
  const isComplex = type === 'floatComplex' || type === 'doubleComplex';
  const words = type === 'bit' && !/\s/.test(trimmed) ? Array.from(trimmed) : trimmed.split(/\s+/);
  if (isComplex) {
    const cells: Cell[] = [];
    for (let at = 0; at + 1 < words.length; at += 2) {
      cells.push({ re: readFloat(words[at] ?? ''), im: readFloat(words[at + 1] ?? '') });
    }
    return shape === '' ? (cells[0] ?? null) : cells;
  }
  return shape === '' ? readWord(trimmed, field) : words.map(word => readWord(word, field));
}

export function splitStrings(text: string, length: number): Cell {
  const cells: string[] = [];
  for (let at = 0; at < text.length; at += length) {
    cells.push(text.slice(at, at + length).replace(/\0.*$/s, '').trimEnd());
  }
  return cells;
}

function readWord(word: string, { column, missing }: VotField): Cell {
  switch (column.type) {
    case 'boolean':
      return readBoolean(word);
    case 'float':
    case 'double':
      return readFloat(word);
    default:
      return word === missing ? null : readInteger(word);
  }
}

export function readBoolean(word: string): boolean | null {
  return /^(t|true|1)$/i.test(word) ? true : /^(f|false|0)$/i.test(word) ? false : null;
}

function readFloat(word: string): number {
  return /^[-+]?inf/i.test(word) ? (word.startsWith('-') ? -Infinity : Infinity) : Number(word);
}

function readInteger(word: string): Cell {
  if (word.length < 16) {
    const number = Number(word);
    return Number.isNaN(number) ? null : number;
  }
  return /^[-+]?\d+$/.test(word) ? integer(BigInt(word.replace('+', ''))) : null;
}
