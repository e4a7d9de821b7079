/**
 * Tables as text: CSV and TSV, and ECSV, which says what its columns are (APE 6).
 */
import { messageOf } from '../errors';
import { breather, FormatError } from './source';
import { Cell, CellType, Column, integer, memoryTable, Note, Table } from './table';

/** Cells of a table that is kept in memory; more would fill the page's. */
const MOST_CELLS = 60e6;

/** Read CSV or TSV; what the columns hold is concluded from all their cells. */
export async function parseCsv(content: string, name: string): Promise<Table> {
  const text = content.replace(/^\uFEFF/, '');
  const { header, columns } = await readRows(text, guessDelimiter(text));
  const parsed = columns.map(infer);
  return memoryTable(
    {
      name,
      description: '',
      notes: [],
      columns: header.map((title, at) => plain(title || `col${at + 1}`, parsed[at]?.type ?? 'unicodeChar'))
    },
    parsed.map(column => column.cells),
    columns[0]?.length ?? 0
  );
}

/** What the YAML in the head of an ECSV file says. */
interface EcsvHead {
  readonly delimiter?: unknown;
  readonly datatype?: unknown;
  readonly meta?: unknown;
}

export async function parseEcsv(content: string, name: string): Promise<Table> {
  if (!/^# %ECSV \d/.test(content)) {
    throw new FormatError('This is not an ECSV file: it does not begin with "# %ECSV".');
  }
  const end = /^(?!#)/m.exec(content)?.index ?? content.length;
  const comments = content.slice(0, end).split(/\r?\n/).slice(1);
  const head = await readYaml(comments.map(line => line.replace(/^# ?/, '')).join('\n'));
  const delimiter = head.delimiter === ',' ? ',' : ' ';
  const rows = await readRows(content.slice(end), delimiter);
  const described = Array.isArray(head.datatype) ? head.datatype.map(describe) : [];
  const columns = rows.header.map((title, at): Described => {
    const column = described[at];
    if (column?.column.name !== title) {
      throw new FormatError(
        `Column ${at + 1} of the ECSV file is "${title}"; its head describes "${column?.column.name ?? 'none'}".`
      );
    }
    return column;
  });
  return memoryTable(
    { name, description: '', notes: metaNotes(head.meta), columns: columns.map(described => described.column) },
    rows.columns.map((texts, at) => texts.map(columns[at]?.read ?? String)),
    rows.columns[0]?.length ?? 0
  );
}

async function readYaml(text: string): Promise<EcsvHead> {
  const { parse } = await import('yaml');
  try {
    const head: unknown = parse(text, { logLevel: 'error', maxAliasCount: 100 });
    return typeof head === 'object' && head !== null ? head : {};
  } catch (error) {
    const reason = messageOf(error).split('\n')[0] ?? '';
    throw new FormatError(`The head of the ECSV file is no YAML: ${reason}`);
  }
}

interface Described {
  readonly column: Column;
  readonly read: (text: string) => Cell;
}

const ECSV_TYPES: Readonly<Record<string, CellType>> = {
  bool: 'boolean',
  int8: 'short',
  int16: 'short',
  int32: 'int',
  int64: 'long',
  uint8: 'unsignedByte',
  uint16: 'int',
  uint32: 'long',
  uint64: 'long',
  float16: 'float',
  float32: 'float',
  float64: 'double',
  float128: 'double',
  complex64: 'floatComplex',
  complex128: 'doubleComplex'
};

function describe(entry: unknown): Described {
  const said = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
  const word = (key: string): string => (typeof said[key] === 'string' ? said[key] : '');
  const subtype = /^(\w+)\[(.*)\]$/.exec(word('subtype'));
  const type = ECSV_TYPES[subtype?.[1] ?? word('datatype')] ?? 'unicodeChar';
  const shape = (subtype?.[2] ?? '').split(',').map(axis => axis.trim().replace('null', '*'));
  const column = {
    name: typeof said.name === 'number' ? String(said.name) : word('name'),
    type,
    unit: word('unit'),
    ucd: '',
    description: word('description'),
    shape: subtype ? shape.join('x') : ''
  };
  return { column, read: subtype || word('subtype') === 'json' ? readJson : text => readCell(text, type) };
}

function readCell(text: string, type: CellType): Cell {
  if (text === '') {
    return null;
  }
  switch (type) {
    case 'boolean':
      return /^(true|1)$/i.test(text);
    case 'unicodeChar':
      return text;
    case 'floatComplex':
    case 'doubleComplex':
      return readComplex(text);
    case 'float':
    case 'double':
      return readFloat(text);
    default:
      return /^[-+]?\d+$/.test(text) ? integer(BigInt(text)) : text;
  }
}

function readFloat(text: string): Cell {
  const number = /^[-+]?inf/i.test(text) ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text);
  return Number.isNaN(number) && !/^[-+]?nan$/i.test(text) ? text : number;
}

function readComplex(text: string): Cell {
  const number = '[-+]?(?:[\\d.]+(?:e[-+]?\\d+)?|nan|inf)';
  const match = new RegExp(`^\\(?(${number})??(${number})j\\)?$`, 'i').exec(text);
  return match ? { re: Number(readFloat(match[1] ?? '0')), im: Number(readFloat(match[2] ?? '')) } : text;
}

function readJson(text: string): Cell {
  if (text === '') {
    return null;
  }
  try {
    const value: unknown = JSON.parse(text.replace(/\bNaN\b/g, 'null'));
    return Array.isArray(value) ? (value.flat(Infinity) as Cell[]) : text;
  } catch {
    return text;
  }
}

/** The scalars among the table's own keywords: astropy writes an ordered map, a list of one-key maps. */
function metaNotes(meta: unknown): Note[] {
  const entries: [unknown, unknown][] = [];
  for (const part of meta instanceof Map ? [meta] : Array.isArray(meta) ? meta : [meta]) {
    if (part instanceof Map) {
      entries.push(...part.entries());
    } else if (typeof part === 'object' && part !== null) {
      entries.push(...Object.entries(part as object));
    }
  }
  return entries
    .filter(([name]) => typeof name === 'string' && !name.startsWith('__'))
    .map(([name, value]) => ({
      level: 'info',
      name: String(name),
      text: typeof value === 'string' ? value : JSON.stringify(value)
    }));
}

function plain(name: string, type: CellType): Column {
  return { name, type, unit: '', ucd: '', description: '', shape: '' };
}

/** The delimiter that the first line has most of. */
function guessDelimiter(text: string): string {
  const line = text.slice(0, /\r?\n|$/.exec(text)?.index).replace(/"[^"]*"/g, '');
  const count = (delimiter: string): number => line.split(delimiter).length;
  return [',', '\t', ';', '|'].reduce((best, next) => (count(next) > count(best) ? next : best));
}

/** The head line and the columns, as text; rows that are short are filled up with ''. */
async function readRows(text: string, delimiter: string): Promise<{ header: string[]; columns: string[][] }> {
  const breathe = breather();
  let header: string[] | null = null;
  let columns: string[][] = [];
  let line = 0;
  for (const cells of records(text, delimiter)) {
    line++;
    if (cells.length === 1 && cells[0] === '' && header?.length !== 1) {
      continue; // an empty line
    }
    if (header === null) {
      header = cells;
      columns = cells.map(() => []);
      continue;
    }
    if (cells.length > header.length) {
      throw new FormatError(`Line ${line} has ${cells.length} cells; the first has ${header.length}.`);
    }
    if (line * header.length > MOST_CELLS) {
      throw new FormatError(`The table has more than ${MOST_CELLS / 1e6} million cells: too many to show.`);
    }
    for (const [at, column] of columns.entries()) {
      column.push(cells[at] ?? '');
    }
    if (line % 1000 === 0) {
      await breathe();
    }
  }
  if (header === null) {
    throw new FormatError('The file has no rows.');
  }
  return { header, columns };
}

/** The records of a text in the manner of RFC 4180; with blanks as delimiter, many count as one. */
function* records(text: string, delimiter: string): Generator<string[]> {
  const stop = delimiter === ' ' ? /[ \t]+|\r?\n|$/g : new RegExp(`\\${delimiter}|\\r?\\n|$`, 'g');
  for (let at = 0; at < text.length; ) {
    const cells: string[] = [];
    for (let more = true; more; ) {
      let cell = '';
      while (text[at] === '"') {
        const close = text.indexOf('"', at + 1);
        if (close < 0) {
          throw new FormatError('The file ends inside of a quoted cell.');
        }
        cell += (cell || text[at - 1] === '"' ? '"' : '') + text.slice(at + 1, close);
        at = close + 1;
      }
      stop.lastIndex = at;
      const found = stop.exec(text);
      const end = found?.index ?? text.length;
      cells.push(cell + text.slice(at, end));
      const between = found?.[0] ?? '';
      at = end + between.length;
      more = between !== '' && !between.endsWith('\n');
    }
    yield cells;
  }
}

/** The narrowest type that all cells of a column have. */
function infer(texts: readonly string[]): { type: CellType; cells: Cell[] } {
  const every = (pattern: RegExp): boolean => texts.every(text => text === '' || pattern.test(text));
  const isEmpty = texts.every(text => text === '');
  // codes with leading zeros are names, not numbers
  if (!isEmpty && every(/^[-+]?(0|[1-9]\d*)$/)) {
    return { type: 'long', cells: texts.map(text => (text === '' ? null : integer(BigInt(text.replace('+', ''))))) };
  }
  if (!isEmpty && every(/^\s*[-+]?(((0|[1-9]\d*)(\.\d*)?|\.\d+)(e[-+]?\d+)?|nan|inf(inity)?)\s*$/i)) {
    return { type: 'double', cells: texts.map(text => (text === '' ? null : readFloat(text.trim()))) };
  }
  return { type: 'unicodeChar', cells: texts.map(text => (text === '' ? null : text)) };
}
