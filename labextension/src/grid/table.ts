/**
 * A table in columns, as it grows while it is read.
 */

/** What a VOTable says of a column (VOTable 1.4, section 4.1). */
export interface IField {
  readonly name: string;
  readonly datatype: string;
  readonly arraysize: string;
  readonly unit: string;
  readonly ucd: string;
  readonly description: string;
}

/** Numbers with NaN for null, or texts with '' for null. */
export type Column =
  | { readonly field: IField; readonly kind: 'number'; values: Float64Array }
  | { readonly field: IField; readonly kind: 'text'; values: string[] };

const NUMBERS = new Set(['unsignedByte', 'short', 'int', 'long', 'float', 'double']);

export function isNumber(field: IField): boolean {
  return NUMBERS.has(field.datatype) && (field.arraysize === '' || field.arraysize === '1');
}

export class Table {
  readonly columns: readonly Column[];
  rowCount = 0;

  constructor(readonly fields: readonly IField[]) {
    this.columns = fields.map(field =>
      isNumber(field)
        ? { field, kind: 'number', values: new Float64Array(1024) }
        : { field, kind: 'text', values: [] }
    );
  }

  /** The column of this name, in any case; undefined where there is none. */
  column(name: string): Column | undefined {
    const wanted = name.toLowerCase();
    return this.columns.find(column => column.field.name.toLowerCase() === wanted);
  }

  numbers(name: string): Float64Array | null {
    const column = this.column(name);
    return column?.kind === 'number' ? column.values : null;
  }

  texts(name: string): readonly string[] | null {
    const column = this.column(name);
    return column?.kind === 'text' ? column.values : null;
  }

  /** See to it that so many rows fit. */
  reserve(rows: number): void {
    for (const column of this.columns) {
      if (column.kind === 'number' && column.values.length < rows) {
        const grown = new Float64Array(Math.max(rows, column.values.length * 2));
        grown.set(column.values);
        column.values = grown;
      }
    }
  }
}

const CONDITION = /^(\w+)\s*(<=|>=|!=|<>|=|<|>)\s*(.+)$/;

/**
 * The rows of `order` that match a filter: words that some text column contains, or conditions such as `t_exptime > 1000`,
 * separated by commas. Throws where a condition names a column that there is not, or compares it with no number.
 */
export function filtered(table: Table, filter: string, order = allRows(table)): Int32Array {
  const tests = filter
    .split(',')
    .map(part => part.trim())
    .filter(part => part !== '')
    .map(part => test(table, part));
  if (tests.length === 0) {
    return order;
  }
  const rows = new Int32Array(order.length);
  let count = 0;
  for (const row of order) {
    if (tests.every(matches => matches(row))) {
      rows[count++] = row;
    }
  }
  return rows.subarray(0, count);
}

export function allRows(table: Table): Int32Array {
  const rows = new Int32Array(table.rowCount);
  for (let row = 0; row < rows.length; row++) {
    rows[row] = row;
  }
  return rows;
}

function test(table: Table, part: string): (row: number) => boolean {
  const found = CONDITION.exec(part);
  if (found === null) {
    const wanted = new RegExp(part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'i'); // makes no lower-case copy of each text
    const columns = table.columns.flatMap(column => (column.kind === 'text' ? [matching(column.values, wanted)] : []));
    return row => columns.some(matches => matches(row));
  }
  const [, name = '', operator = '', value = ''] = found;
  const column = table.column(name);
  if (column === undefined) {
    throw new Error(`filter: there is no column '${name}'`);
  }
  if (column.kind === 'text') {
    const wanted = value.replace(/^'(.*)'$/, '$1').toLowerCase();
    return row => compares(operator, (column.values[row] ?? '').toLowerCase().localeCompare(wanted));
  }
  const limit = Number(value);
  if (!Number.isFinite(limit)) {
    throw new Error(`filter: '${value}' is no number, and ${name} is a column of numbers`);
  }
  return row => {
    const difference = (column.values[row] ?? NaN) - limit;
    return !Number.isNaN(difference) && compares(operator, difference);
  };
}

/** Of a column with more distinct texts it is not worth remembering which match. */
const REMEMBERED = 2000;

/** Whether a text matches; of columns that repeat theirs each is looked at once. */
function matching(values: readonly string[], wanted: RegExp): (row: number) => boolean {
  const known = new Map<string, boolean>();
  return row => {
    const text = values[row] ?? '';
    if (known.size > REMEMBERED) {
      return wanted.test(text);
    }
    let matches = known.get(text);
    if (matches === undefined) {
      matches = wanted.test(text);
      known.set(text, matches);
    }
    return matches;
  };
}

function compares(operator: string, difference: number): boolean {
  switch (operator) {
    case '<':
      return difference < 0;
    case '<=':
      return difference <= 0;
    case '>':
      return difference > 0;
    case '>=':
      return difference >= 0;
    case '=':
      return difference === 0;
    default:
      return difference !== 0;
  }
}
