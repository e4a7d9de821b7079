/**
 * Tables of FITS files (FITS 4.0, section 7): rows are read when they are asked for.
 */
import { Hdu } from './fits';
import { Header } from './fitsheader';
import { Field, parseAsciiField, parseField } from './fitsfield';
import { breather, ByteSource, FormatError } from './source';
import { Cell, Note, Table } from './table';

/** Bytes of rows that are read, and thrown away, together. */
const BLOCK = 1 << 18;
const KEPT_BLOCKS = 64;
const MOST_COLUMNS = 999;

/** The rows of a block; arrays are decoded once, for a grid paints its cells often. */
interface Block {
  readonly view: DataView;
  readonly decoded: Map<number, Cell>;
}

export function openTable(source: ByteSource, hdu: Hdu): Table {
  const { header } = hdu;
  const rowLength = header.count('NAXIS1');
  const fields = readFields(header, hdu.kind === 'asciitable', rowLength);
  const announced = header.count('NAXIS2');
  const rows = rowLength === 0 ? announced : Math.min(announced, Math.floor(hdu.dataThere / rowLength));
  const notes: Note[] = [];
  if (rows < announced) {
    const text = `Of the ${announced} rows that the header announces the file holds ${rows}: it ends too early.`;
    notes.push({ level: 'error', name: hdu.name, text });
  }
  const heap = hdu.dataOffset + header.count('THEAP', rowLength * announced);
  const heapEnd = hdu.dataOffset + hdu.dataThere;
  const perBlock = Math.max(1, Math.floor(BLOCK / Math.max(1, rowLength)));
  const blocks = new Map<number, Block>();

  const readRows = async (first: number, count: number): Promise<DataView> => {
    const bytes = await source.read(hdu.dataOffset + first * rowLength, count * rowLength);
    if (bytes.length < count * rowLength) {
      throw new FormatError(`The file ends before row ${first + count} of ${hdu.name}.`);
    }
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };

  const readVariable = async (field: Field, view: DataView, offset: number): Promise<Cell> => {
    if (!field.variable) {
      return null;
    }
    const { count, at } = field.variable.locate(view, offset);
    const bytes = count * field.variable.size;
    if (count < 0 || at < 0 || !Number.isSafeInteger(bytes) || heap + at + bytes > heapEnd) {
      return null; // beyond the file: shown as missing
    }
    const piece = await source.read(heap + at, bytes);
    return field.variable.decode(new DataView(piece.buffer, piece.byteOffset, piece.byteLength), count);
  };

  const loadBlock = async (number: number): Promise<void> => {
    const count = Math.min(perBlock, rows - number * perBlock);
    const view = await readRows(number * perBlock, count);
    const decoded = new Map<number, Cell>();
    for (const [column, field] of fields.entries()) {
      for (let row = 0; field.variable && row < count; row++) {
        decoded.set(row * fields.length + column, await readVariable(field, view, row * rowLength + field.offset));
      }
    }
    blocks.set(number, { view, decoded });
    for (const oldest of blocks.keys()) {
      if (blocks.size <= KEPT_BLOCKS) {
        break;
      }
      blocks.delete(oldest);
    }
  };

  return {
    name: hdu.name,
    description: '',
    columns: fields.map(field => field.column),
    rows,
    notes,
    cell: (row, column) => {
      const block = blocks.get(Math.floor(row / perBlock));
      const field = fields[column];
      if (!block || !field) {
        return undefined;
      }
      const inBlock = row % perBlock;
      if (field.column.shape === '') {
        return field.decode(block.view, inBlock * rowLength + field.offset);
      }
      const key = inBlock * fields.length + column;
      let cell = block.decoded.get(key);
      if (cell === undefined) {
        cell = field.decode(block.view, inBlock * rowLength + field.offset);
        block.decoded.set(key, cell);
      }
      return cell;
    },
    load: async (first, count) => {
      const last = Math.min(rows, first + count) - 1;
      for (let number = Math.floor(first / perBlock); number * perBlock <= last; number++) {
        if (!blocks.has(number)) {
          await loadBlock(number);
        }
      }
    },
    scan: async (column, visit) => {
      const field = fields[column];
      const breathe = breather();
      const many = Math.max(1, Math.floor((1 << 20) / Math.max(1, rowLength)));
      for (let first = 0; field && first < rows; first += many) {
        const count = Math.min(many, rows - first);
        const view = await readRows(first, count);
        for (let row = 0; row < count; row++) {
          const offset = row * rowLength + field.offset;
          visit(field.variable ? await readVariable(field, view, offset) : field.decode(view, offset), first + row);
        }
        await breathe();
      }
    }
  };
}

/** The columns of a table, by its header. */
export function readFields(header: Header, isAscii: boolean, rowLength: number): Field[] {
  const count = header.count('TFIELDS');
  if (count > MOST_COLUMNS) {
    throw new FormatError(`TFIELDS = ${count} in the header is above ${MOST_COLUMNS}.`);
  }
  const fields: Field[] = [];
  let offset = 0;
  for (let number = 1; number <= count; number++) {
    const field = isAscii ? parseAsciiField(header, number) : parseField(header, number, offset);
    offset = field.offset + field.width;
    if (offset > rowLength) {
      throw new FormatError(`Column ${number} (${field.column.name}) ends behind its row of ${rowLength} bytes.`);
    }
    fields.push(field);
  }
  return fields;
}
