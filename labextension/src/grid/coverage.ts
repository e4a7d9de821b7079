/**
 * How many rows cover each part of an axis: what the charts of time and energy draw.
 */

/** Both ends of each row's interval on one axis; NaN where a row has none. */
export interface IIntervals {
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly count: number;
}

export interface IAxis {
  /** The axis from its first to its last bin, in the axis' own coordinate. */
  readonly min: number;
  readonly max: number;
  /** Rows that touch each bin. */
  readonly all: Float64Array;
  /** The first bin that each row touches, and the one after the last; the same where it touches none. */
  readonly first: Uint16Array;
  readonly end: Uint16Array;
}

/** Null where no row has an interval. */
export function axisOf({ low, high, count }: IIntervals, bins: number): IAxis | null {
  let [min, max] = [Infinity, -Infinity];
  for (let row = 0; row < count; row++) {
    const a = low[row] ?? NaN;
    const b = high[row] ?? NaN;
    if (a < min) {
      min = a;
    }
    if (b > max) {
      max = b;
    }
  }
  if (!(max >= min) || !Number.isFinite(max - min)) {
    return null;
  }
  if (max === min) {
    [min, max] = [min - 0.5, max + 0.5];
  }
  const [first, end] = [new Uint16Array(count), new Uint16Array(count)];
  const bin = (value: number): number => Math.min(bins - 1, Math.max(0, Math.floor(((value - min) / (max - min)) * bins)));
  for (let row = 0; row < count; row++) {
    const a = low[row] ?? NaN;
    const b = high[row] ?? NaN;
    if (b >= a) {
      first[row] = bin(a);
      end[row] = bin(b) + 1;
    }
  }
  const axis = { min, max, all: new Float64Array(bins), first, end };
  return { ...axis, all: covered(axis, () => true) };
}

/** How many of some rows touch each bin. */
export function covered({ all, first, end }: IAxis, has: (row: number) => boolean): Float64Array {
  const counts = new Float64Array(all.length + 1);
  for (let row = 0; row < first.length; row++) {
    const up = first[row] ?? 0;
    const down = end[row] ?? 0;
    if (up < down && has(row)) {
      // a step up and one down; the sum of all steps is the count
      counts[up] = (counts[up] ?? 0) + 1;
      counts[down] = (counts[down] ?? 0) - 1;
    }
  }
  for (let at = 1; at < counts.length; at++) {
    counts[at] = (counts[at] ?? 0) + (counts[at - 1] ?? 0);
  }
  return counts.subarray(0, all.length);
}

/** Rows whose interval overlaps one. */
export function overlapping({ low, high, count }: IIntervals, from: number, to: number): number[] {
  const rows: number[] = [];
  for (let row = 0; row < count; row++) {
    if ((low[row] ?? NaN) <= to && (high[row] ?? NaN) >= from) {
      rows.push(row);
    }
  }
  return rows;
}

/** Round places for about `count` ticks. */
export function ticks(min: number, max: number, count: number): number[] {
  const raw = (max - min) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(factor => factor * power).find(candidate => candidate >= raw) ?? raw;
  const found: number[] = [];
  for (let tick = Math.ceil(min / step) * step; tick <= max + step * 1e-9 && found.length < 100; tick += step) {
    found.push(Number(tick.toPrecision(12)));
  }
  return found;
}
