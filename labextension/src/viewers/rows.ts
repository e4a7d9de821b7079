/**
 * Which rows of a table are shown, and in which order.
 */
import { breather } from '../formats/source';
import { Cell, Column, compareCells, formatCell, isEmpty, isNumeric, Table } from '../formats/table';

export interface Sorting {
  readonly column: number;
  readonly descending: boolean;
}

export interface Filter {
  readonly column: number;
  readonly text: string;
}

/** Whether a cell is wanted; null where the text is not a filter for such a column. */
export function parseFilter(text: string, column: Column): ((cell: Cell) => boolean) | null {
  const trimmed = text.trim();
  if (!isNumeric(column)) {
    const wanted = trimmed.toLowerCase();
    return cell => formatCell(cell, column.type).toLowerCase().includes(wanted);
  }
  const number = '([-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][-+]?\\d+)?)';
  const range = new RegExp(`^${number}\\s*\\.\\.\\s*${number}$`).exec(trimmed);
  if (range) {
    const [low, high] = [Number(range[1]), Number(range[2])];
    return cell => isNumber(cell) && cell >= low && cell <= high;
  }
  const compared = new RegExp(`^(<=|>=|<|>|!=|=|)\\s*${number}$`).exec(trimmed);
  if (!compared) {
    return null;
  }
  const value = Number(compared[2]);
  // a 32-bit float is not the decimal number that it shows
  const same = (cell: number | bigint): boolean =>
    Number(cell) === value || (column.type === 'float' && Number(cell) === Math.fround(value));
  const tests: Readonly<Record<string, (cell: number | bigint) => boolean>> = {
    '<': cell => cell < value,
    '>': cell => cell > value,
    '<=': cell => cell < value || same(cell),
    '>=': cell => cell > value || same(cell),
    '!=': cell => !same(cell)
  };
  const test = tests[compared[1] ?? ''] ?? same;
  return cell => isNumber(cell) && test(cell);
}

function isNumber(cell: Cell): cell is number | bigint {
  return typeof cell === 'bigint' || (typeof cell === 'number' && !isEmpty(cell));
}

/** The numbers of the rows to show, in order; null where these are all, as they come in the file. */
export async function arrange(
  table: Table,
  sorting: Sorting | null,
  filter: Filter | null,
  isOver: () => boolean
): Promise<Uint32Array | null> {
  let rows: Uint32Array | null = null;
  const column = filter && table.columns[filter.column];
  const wanted = column && filter.text.trim() !== '' ? parseFilter(filter.text, column) : null;
  if (filter && wanted) {
    const found: number[] = [];
    await table.scan(filter.column, (cell, row) => {
      if (wanted(cell)) {
        found.push(row);
      }
    });
    rows = Uint32Array.from(found);
  }
  if (sorting && !isOver()) {
    const cells: Cell[] = new Array<Cell>(table.rows).fill(null);
    await table.scan(sorting.column, (cell, row) => {
      cells[row] = cell;
    });
    const order = rows ?? Uint32Array.from({ length: table.rows }, (_, row) => row);
    const sign = sorting.descending ? -1 : 1;
    rows = await sortRows(order, (a, b) => {
      const [x, y] = [cells[a] ?? null, cells[b] ?? null];
      // empty cells are last in both directions
      return compareCells(x, y) * (isEmpty(x) || isEmpty(y) ? 1 : sign);
    }, isOver);
  }
  return rows;
}

const RUN = 1 << 14;

/** Sort in pieces, so that the page stays alive: a stable merge sort from the bottom up. */
async function sortRows(
  rows: Uint32Array,
  compare: (a: number, b: number) => number,
  isOver: () => boolean
): Promise<Uint32Array> {
  const breathe = breather();
  for (let start = 0; start < rows.length; start += RUN) {
    rows.subarray(start, start + RUN).sort((a, b) => compare(a, b) || a - b);
    await breathe();
  }
  let from = rows;
  let to = new Uint32Array(rows.length);
  for (let size = RUN; size < rows.length && !isOver(); size *= 2) {
    for (let start = 0; start < rows.length; start += 2 * size) {
      const [middle, end] = [Math.min(rows.length, start + size), Math.min(rows.length, start + 2 * size)];
      for (let a = start, b = middle, at = start; at < end; at++) {
        const takeFirst = a < middle && (b >= end || compare(from[a] ?? 0, from[b] ?? 0) <= 0);
        to[at] = (takeFirst ? from[a++] : from[b++]) ?? 0;
        if (at % 8192 === 0) {
          await breathe();
        }
      }
    }
    [from, to] = [to, from];
  }
  return from;
}
