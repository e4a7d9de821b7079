/**
 * Rows by a column: numbers by their bits, texts as people order them. A million rows take a fraction of a second.
 */
import { Table } from './table';

/** More distinct texts than this are not compared as words: that would take minutes. */
const WORDS = 20_000;

/** The rows of `order` by a column, with nulls at the end in both directions; rows that are equal stay as they were. */
export function sorted(table: Table, order: Int32Array, name: string, descending: boolean): Int32Array {
  const column = table.column(name);
  if (column === undefined) {
    return order.slice();
  }
  const keys = column.kind === 'number' ? column.values : ranks(column.values);
  return byKeys(keys, order, descending);
}

/** A number for each text that is as its place among all; NaN for ''. */
function ranks(texts: readonly string[]): Float64Array {
  const distinct = new Set<string>();
  for (const text of texts) {
    distinct.add(text);
    if (distinct.size > WORDS) {
      return serials(texts) ?? placesOf(texts, new Set(texts), simply);
    }
  }
  return placesOf(texts, distinct, words => [...words].sort(new Intl.Collator(undefined, { numeric: true }).compare));
}

function placesOf(texts: readonly string[], distinct: Set<string>, sort: (texts: Set<string>) => string[]): Float64Array {
  const places = new Map(sort(distinct).map((text, place) => [text, text === '' ? NaN : place]));
  const found = new Float64Array(texts.length);
  for (let row = 0; row < texts.length; row++) {
    found[row] = places.get(texts[row] ?? '') ?? NaN;
  }
  return found;
}

/** Without respect to case, and numbers in them by their value, if these have no more than fifteen digits. */
function simply(texts: Set<string>): string[] {
  const key = (text: string): string => text.toLowerCase().replace(/\d+/g, digits => digits.padStart(15, '0'));
  return Array.from(texts, text => [key(text), text] as const)
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, text]) => text);
}

/** What most long columns of distinct texts are: the same words, and a number behind them. Null where they are not. */
function serials(texts: readonly string[]): Float64Array | null {
  const first = texts.find(text => text !== '') ?? '';
  const head = first.replace(/\d+$/, '');
  const numbers = new Float64Array(texts.length);
  for (let row = 0; row < texts.length; row++) {
    const text = texts[row] ?? '';
    const digits = text.slice(head.length);
    if (text !== '' && (!text.startsWith(head) || !/^\d{1,15}$/.test(digits))) {
      return null;
    }
    numbers[row] = text === '' ? NaN : Number(digits);
  }
  return numbers;
}

/** Radix sort, 16 bits at a time: it compares nothing, and keeps the order of equal keys. */
function byKeys(keys: Float64Array, order: Int32Array, descending: boolean): Int32Array {
  const count = order.length;
  const values = new Float64Array(count);
  const bits = new Uint32Array(values.buffer);
  let [from, to] = [new Int32Array(count), new Int32Array(count)];
  for (let at = 0; at < count; at++) {
    values[at] = (keys[order[at] ?? 0] ?? NaN) + 0; // -0 + 0 is 0
    orderly(bits, at, descending);
    from[at] = at;
  }
  for (const [half, shift] of [[0, 0], [0, 16], [1, 0], [1, 16]] as const) {
    const starts = new Int32Array(65_537);
    const digit = (at: number): number => ((bits[2 * at + half] ?? 0) >>> shift) & 65_535;
    for (let at = 0; at < count; at++) {
      const next = digit(at) + 1;
      starts[next] = (starts[next] ?? 0) + 1;
    }
    if (starts.includes(count)) {
      continue; // all have the same digit
    }
    for (let value = 1; value < starts.length; value++) {
      starts[value] = (starts[value] ?? 0) + (starts[value - 1] ?? 0);
    }
    for (let place = 0; place < count; place++) {
      const at = from[place] ?? 0;
      const value = digit(at);
      const start = starts[value] ?? 0;
      to[start] = at;
      starts[value] = start + 1;
    }
    [from, to] = [to, from];
  }
  for (let place = 0; place < count; place++) {
    to[place] = order[from[place] ?? 0] ?? 0;
  }
  return to;
}

/** Change the bits of a double so that they order as whole numbers without a sign; those of NaN come last. */
function orderly(bits: Uint32Array, at: number, descending: boolean): void {
  const low = bits[2 * at] ?? 0;
  const high = bits[2 * at + 1] ?? 0;
  if ((high & 0x7ff00000) === 0x7ff00000 && ((high & 0xfffff) !== 0 || low !== 0)) {
    bits[2 * at] = bits[2 * at + 1] = 0xffffffff;
    return;
  }
  const isNegative = high >>> 31 === 1;
  const flip = descending !== isNegative;
  bits[2 * at] = flip ? ~low : low;
  bits[2 * at + 1] = (flip ? ~high : high) ^ (isNegative ? 0 : 0x80000000);
}
