/**
 * What every table is to the views, whichever format it came in.
 */

/** The names of VOTable for the types of cells. */
export type CellType =
  | 'boolean'
  | 'bit'
  | 'unsignedByte'
  | 'short'
  | 'int'
  | 'long'
  | 'char'
  | 'unicodeChar'
  | 'float'
  | 'double'
  | 'floatComplex'
  | 'doubleComplex';

export interface Complex {
  readonly re: number;
  readonly im: number;
}

/** An integer beyond 2^53 is a bigint; null is a missing value; an array is flat, in the file's order. */
export type Cell = number | bigint | string | boolean | Complex | null | readonly Cell[];

export interface Column {
  readonly name: string;
  readonly type: CellType;
  /** '' where the file says nothing. */
  readonly unit: string;
  readonly ucd: string;
  readonly description: string;
  /** Shape of each cell as text ("3", "2x4", "*"), '' for scalars and strings. */
  readonly shape: string;
}

export interface Table {
  readonly name: string;
  readonly description: string;
  readonly columns: readonly Column[];
  readonly rows: number;
  /** What the file says of the table as a whole: overflow, errors, parameters. */
  readonly notes: readonly Note[];
  /** A cell; undefined where its row has to be loaded first. */
  cell(row: number, column: number): Cell | undefined;
  /** Make the cells of rows first..first+count-1 ready; a table may forget older ones. */
  load(first: number, count: number): Promise<void>;
  /** Go through the cells of one column in the order of the rows. */
  scan(column: number, visit: (cell: Cell, row: number) => void): Promise<void>;
}

export interface Note {
  readonly level: 'info' | 'warning' | 'error';
  readonly name: string;
  readonly text: string;
}

/** A table whose cells are in memory, by columns. */
export function memoryTable(
  head: Pick<Table, 'name' | 'description' | 'columns' | 'notes'>,
  cells: readonly ArrayLike<Cell>[],
  rows: number
): Table {
  return {
    ...head,
    rows,
    cell: (row, column) => cells[column]?.[row] ?? null,
    load: () => Promise.resolve(),
    scan: (column, visit) => {
      for (let row = 0; row < rows; row++) {
        visit(cells[column]?.[row] ?? null, row);
      }
      return Promise.resolve();
    }
  };
}

export function isNumeric(column: Column): boolean {
  return column.shape === '' && NUMERIC.has(column.type);
}

const NUMERIC: ReadonlySet<CellType> = new Set(['unsignedByte', 'short', 'int', 'long', 'float', 'double']);

/** A cell as text that loses nothing: floats with the digits of their own precision. */
export function formatCell(cell: Cell, type: CellType): string {
  if (cell === null) {
    return '';
  }
  if (typeof cell === 'number') {
    return formatNumber(cell, type);
  }
  if (typeof cell === 'object') {
    if ('re' in cell) {
      const im = formatNumber(cell.im, type);
      return `${formatNumber(cell.re, type)}${/^[-+]/.test(im) ? '' : '+'}${im}i`;
    }
    return cell.map(part => formatCell(part, type)).join(type === 'bit' ? '' : ', ');
  }
  return String(cell);
}

function formatNumber(value: number, type: CellType): string {
  if ((type !== 'float' && type !== 'floatComplex') || !Number.isFinite(value)) {
    return String(value);
  }
  // the shortest of the texts that a 32-bit float would be read from again
  for (let digits = 6; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === Math.fround(value)) {
      return String(Number(text));
    }
  }
  return String(Number(value.toPrecision(9)));
}

/** A 64-bit integer as a number where that is exact. */
export function integer(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * Cells in order: numbers, then words by the reader's language; missing values and NaN last.
 */
export function compareCells(a: Cell, b: Cell): number {
  const [emptyA, emptyB] = [isEmpty(a), isEmpty(b)];
  if (emptyA || emptyB) {
    return Number(emptyA) - Number(emptyB);
  }
  if (typeof a === 'string' && typeof b === 'string') {
    return collator.compare(a, b);
  }
  const [x, y] = [sortKey(a), sortKey(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

const collator = new Intl.Collator(undefined, { numeric: true });

export function isEmpty(cell: Cell): boolean {
  return cell === null || (typeof cell === 'number' && Number.isNaN(cell)) || cell === '';
}

function sortKey(cell: Cell): number | bigint {
  if (typeof cell === 'object' && cell !== null) {
    return 're' in cell ? Math.hypot(cell.re, cell.im) : cell.length > 0 ? sortKey(cell[0] ?? null) : -Infinity;
  }
  return typeof cell === 'bigint' ? cell : Number(cell);
}
