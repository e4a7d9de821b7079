/**
 * Read a VOTable as it arrives, into columns: TABLEDATA, and BINARY2 in base64 (VOTable 1.4, sections 5.1 and 5.4).
 */
import { Cell } from '../formats/table';
import { bytesOf, decode, isNull, skip } from '../formats/votablebinary';
import { parseField, readText, VotField } from '../formats/votablefield';
import { IField, Table } from './table';
import { TextReader } from './texts';

export interface IStatus {
  /** Whether the service has more rows than it sent (DALI 1.1, section 4.4.1). */
  readonly overflow: boolean;
  /** The words of QUERY_STATUS=ERROR; null without one. */
  readonly error: string | null;
}

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
        const fields = readFields(parse(closed(this._text.slice(0, start.index))));
        this.table = new Table(fields.map(asColumn));
        this._rows = new Binary2Rows(this.table, fields);
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
      const fields = readFields(document);
      this.table = new Table(fields.map(asColumn));
      readTabledata(document, this.table, fields);
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

function readFields(document: Document): VotField[] {
  const table = document.getElementsByTagNameNS('*', 'TABLE')[0];
  return Array.from(table?.getElementsByTagNameNS('*', 'FIELD') ?? [], parseField);
}

function asColumn({ column, arraysize }: VotField): IField {
  const { name, type, unit, ucd, description } = column;
  return { name, datatype: type, arraysize, unit, ucd, description };
}

function readTabledata(document: Document, table: Table, fields: readonly VotField[]): void {
  const data = document.getElementsByTagNameNS('*', 'TABLEDATA')[0];
  const rows = Array.from(data?.getElementsByTagNameNS('*', 'TR') ?? []);
  table.reserve(rows.length);
  rows.forEach((row, at) => {
    const cells = row.getElementsByTagNameNS('*', 'TD');
    table.columns.forEach((column, place) => {
      const text = cells[place]?.textContent ?? '';
      const field = fields[place];
      if (column.kind === 'text') {
        column.values[at] = text;
      } else {
        column.values[at] = numberOf(field ? readText(text, field) : null);
      }
    });
  });
  table.rowCount = rows.length;
}

class Binary2Rows {
  constructor(
    private readonly _table: Table,
    private readonly _fields: readonly VotField[]
  ) {
    this._texts = _fields.map(field => (isPlainText(field) ? new TextReader() : null));
  }

  push(base64: string, isLast: boolean): void {
    const text = this._base64 + base64.replace(/\s+/g, '');
    const whole = isLast ? text.length : text.length - (text.length % 4);
    this._base64 = text.slice(whole);
    const more = bytesOf(text.slice(0, whole));
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
    const flags = Math.ceil(this._fields.length / 8);
    let start = 0;
    while (start < bytes.length) {
      let at = start + flags;
      let place = 0;
      const row = this._table.rowCount;
      this._table.reserve(row + 1);
      for (const field of this._fields) {
        const next = skip(view, at, field);
        if (next > bytes.length) {
          return start;
        }
        const column = this._table.columns[place];
        const texts = this._texts[place];
        const isThere = !isNull(view, start, place);
        if (column?.kind === 'number') {
          column.values[row] = isThere ? numberOf(decode(view, at, field)) : NaN;
        } else if (column !== undefined && texts) {
          column.values[row] = isThere ? texts.read(bytes, field.width === null ? at + 4 : at, next) : '';
        } else if (column !== undefined) {
          column.values[row] = isThere ? textOf(decode(view, at, field)) : '';
        }
        at = next;
        place++;
      }
      this._table.rowCount++;
      start = at;
    }
    return start;
  }

  private readonly _texts: readonly (TextReader | null)[];
  private _base64 = '';
  private _rest = new Uint8Array(0);
}

/** Whether a cell is one text, in UTF-8. */
function isPlainText({ column, stringLength }: VotField): boolean {
  return column.type === 'char' && stringLength === null;
}

/** NaN for null. */
function numberOf(cell: Cell): number {
  return typeof cell === 'number' ? cell : typeof cell === 'bigint' ? Number(cell) : NaN;
}

/** '' for null; an array as its values with blanks between them. */
function textOf(cell: Cell): string {
  if (typeof cell === 'string') {
    return cell;
  }
  if (cell === null) {
    return '';
  }
  if (typeof cell !== 'object') {
    return String(cell);
  }
  return 're' in cell ? `${cell.re} ${cell.im}` : cell.map(textOf).join(' ');
}
