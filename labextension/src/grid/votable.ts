/**
 * Read a VOTable as it arrives, into columns: TABLEDATA, and BINARY2 in base64 (VOTable 1.4, sections 5.1 and 5.4).
 */
import { Column, IField, Table } from './table';

export interface IStatus {
  /** Whether the service has more rows than it sent (DALI 1.1, section 4.4.1). */
  readonly overflow: boolean;
  /** The words of QUERY_STATUS=ERROR; null without one. */
  readonly error: string | null;
}

/** Bytes of one value by datatype; a bit and a complex number are none of an archive's. */
const SIZES: Readonly<Record<string, number>> = {
  boolean: 1,
  unsignedByte: 1,
  short: 2,
  int: 4,
  long: 8,
  float: 4,
  double: 8,
  char: 1,
  unicodeChar: 2
};

/** Rows may be cut anywhere: {@link push} takes text in pieces, {@link end} tells how it ended. */
export class VotableReader {
  /** Null until the head of the table has come. */
  table: Table | null = null;

  push(text: string): void {
    if (this._place === 'stream') {
      this._stream(text);
      return;
    }
    this._text += text;
    if (this._place === 'head') {
      const start = /<(?:\w+:)?BINARY2\b[^>]*>\s*<(?:\w+:)?STREAM\b[^>]*>/.exec(this._text);
      if (start !== null) {
        const rest = this._text.slice(start.index + start[0].length);
        this.table = new Table(readFields(parse(closed(this._text.slice(0, start.index)))));
        this._rows = new Binary2Rows(this.table);
        this._place = 'stream';
        this._text = '';
        this._stream(rest);
      }
    }
  }

  end(): IStatus {
    if (this._place === 'stream') {
      throw new Error('The answer broke off: its rows have no end');
    }
    if (this._place === 'tail') {
      return statusOf(parse(`<VOTABLE><RESOURCE><TABLE>${this._text.replace(/^[\s\S]*?<\/(?:\w+:)?DATA>/, '')}`));
    }
    const document = parse(this._text);
    const status = statusOf(document);
    if (status.error === null) {
      this.table = new Table(readFields(document));
      readTabledata(document, this.table);
    }
    return status;
  }

  private _stream(text: string): void {
    const stop = text.indexOf('<');
    this._rows?.push(stop < 0 ? text : text.slice(0, stop), stop >= 0);
    if (stop >= 0) {
      this._place = 'tail';
      this._text = text.slice(stop);
    }
  }

  private _place: 'head' | 'stream' | 'tail' = 'head';
  private _text = '';
  private _rows: Binary2Rows | null = null;
}

/** Elements that are open where the rows begin. */
function closed(head: string): string {
  return head.replace(/<(?:\w+:)?DATA\b[^>]*>\s*$/, '') + '</TABLE></RESOURCE></VOTABLE>';
}

function parse(xml: string): Document {
  const document = new DOMParser().parseFromString(xml, 'application/xml');
  if (document.getElementsByTagName('parsererror').length > 0) {
    throw new Error(`The answer is not a VOTable: ${xml.slice(0, 80)}`);
  }
  return document;
}

function statusOf(document: Document): IStatus {
  const infos = Array.from(document.getElementsByTagNameNS('*', 'INFO'));
  const of = (value: string): Element | undefined =>
    infos.find(info => info.getAttribute('name') === 'QUERY_STATUS' && info.getAttribute('value') === value);
  const error = of('ERROR');
  return {
    overflow: of('OVERFLOW') !== undefined,
    error: error === undefined ? null : (error.textContent?.trim() ?? '') || 'The query failed'
  };
}

function readFields(document: Document): IField[] {
  const table = document.getElementsByTagNameNS('*', 'TABLE')[0];
  return Array.from(table?.getElementsByTagNameNS('*', 'FIELD') ?? []).map(field => ({
    name: field.getAttribute('name') ?? '',
    datatype: field.getAttribute('datatype') ?? 'char',
    arraysize: field.getAttribute('arraysize') ?? '',
    unit: field.getAttribute('unit') ?? '',
    ucd: field.getAttribute('ucd') ?? '',
    description: field.getElementsByTagNameNS('*', 'DESCRIPTION')[0]?.textContent?.trim() ?? ''
  }));
}

function readTabledata(document: Document, table: Table): void {
  const data = document.getElementsByTagNameNS('*', 'TABLEDATA')[0];
  const rows = Array.from(data?.getElementsByTagNameNS('*', 'TR') ?? []);
  table.reserve(rows.length);
  rows.forEach((row, at) => {
    const cells = row.getElementsByTagNameNS('*', 'TD');
    table.columns.forEach((column, place) => {
      const text = cells[place]?.textContent ?? '';
      if (column.kind === 'text') {
        column.values[at] = text;
      } else {
        column.values[at] = text.trim() === '' ? NaN : Number(text);
      }
    });
  });
  table.rowCount = rows.length;
}

/** How the values of a column are read. */
interface IReading {
  readonly column: Column;
  readonly datatype: string;
  /** Bytes of the value, or of one element where `isVariable`. */
  readonly size: number;
  readonly count: number;
  readonly isVariable: boolean;
  /** Texts that came before. */
  readonly known: Map<string, string>;
}

/** Values that repeat are kept once; of more distinct ones than this it is not worth looking. */
const INTERNED = 20000;

class Binary2Rows {
  constructor(private readonly _table: Table) {
    this._readings = _table.columns.map(reading);
  }

  push(base64: string, isLast: boolean): void {
    const text = this._base64 + base64.replace(/\s+/g, '');
    const whole = isLast ? text.length : text.length - (text.length % 4);
    this._base64 = text.slice(whole);
    const more = decode(text.slice(0, whole));
    let bytes = more;
    if (this._rest.length > 0) {
      bytes = new Uint8Array(this._rest.length + more.length);
      bytes.set(this._rest);
      bytes.set(more, this._rest.length);
    }
    const used = this._read(bytes);
    this._rest = bytes.slice(used);
    if (isLast && this._rest.length > 0) {
      throw new Error('The answer broke off: its last row is not complete');
    }
  }

  /** The place after the last complete row. */
  private _read(bytes: Uint8Array): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const masks = Math.ceil(this._readings.length / 8);
    let start = 0;
    while (start < bytes.length) {
      let at = start + masks;
      let place = 0;
      const row = this._table.rowCount;
      this._table.reserve(row + 1);
      for (const found of this._readings) {
        const { column, size, isVariable } = found;
        let length = size * found.count;
        if (isVariable) {
          if (at + 4 > bytes.length) {
            return start;
          }
          length = size * view.getUint32(at);
          at += 4;
        }
        if (at + length > bytes.length) {
          return start;
        }
        const isNull = ((bytes[start + (place >> 3)] ?? 0) & (0x80 >> (place & 7))) !== 0;
        if (column.kind === 'number') {
          column.values[row] = isNull ? NaN : readNumber(view, at, found.datatype);
        } else {
          column.values[row] = isNull ? '' : readText(view, at, length, found);
        }
        at += length;
        place++;
      }
      this._table.rowCount++;
      start = at;
    }
    return start;
  }

  private readonly _readings: readonly IReading[];
  private _base64 = '';
  private _rest = new Uint8Array(0);
}

const UTF8 = new TextDecoder();
const UTF16 = new TextDecoder('utf-16be');

function readText(view: DataView, at: number, length: number, { datatype, size, known }: IReading): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
  let text: string;
  if (datatype === 'char') {
    text = UTF8.decode(bytes);
  } else if (datatype === 'unicodeChar') {
    text = UTF16.decode(bytes);
  } else {
    text = Array.from({ length: length / size }, (_, index) => readValue(view, at + index * size, datatype)).join(' ');
  }
  const kept = known.get(text);
  if (kept === undefined && known.size < INTERNED) {
    known.set(text, text);
  }
  return kept ?? text;
}

function reading(column: Column): IReading {
  const { field } = column;
  const size = SIZES[field.datatype];
  if (size === undefined) {
    throw new Error(`The column ${field.name} has the datatype '${field.datatype}', which is not read here`);
  }
  if (field.arraysize.endsWith('*')) {
    return { column, datatype: field.datatype, size, count: 1, isVariable: true, known: new Map() };
  }
  const count = field.arraysize === '' ? 1 : field.arraysize.split('x').reduce((total, part) => total * Number(part), 1);
  return { column, datatype: field.datatype, size, count, isVariable: false, known: new Map() };
}

function readValue(view: DataView, at: number, datatype: string): string {
  return datatype === 'boolean'
    ? 'Tt1'.includes(String.fromCharCode(view.getUint8(at)))
      ? 'true'
      : 'false'
    : String(readNumber(view, at, datatype));
}

function readNumber(view: DataView, at: number, datatype: string): number {
  switch (datatype) {
    case 'double':
      return view.getFloat64(at);
    case 'float':
      return view.getFloat32(at);
    case 'long':
      return Number(view.getBigInt64(at));
    case 'int':
      return view.getInt32(at);
    case 'short':
      return view.getInt16(at);
    default:
      return view.getUint8(at);
  }
}

function decode(base64: string): Uint8Array {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) {
    bytes[at] = binary.charCodeAt(at);
  }
  return bytes;
}

