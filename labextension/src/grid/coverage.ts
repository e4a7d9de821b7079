/**
 * How many rows cover each part of an axis: what the charts of time and energy draw.
 */

/** Both ends of each row's interval on one axis; NaN where a row has none. */
export interface IIntervals {
  readonly low: Float64Array;
  readonly high: Float64Array;
  readonly count: number;
}

export interface ICoverage {
  /** The axis from its first to its last bin, in the axis' own coordinate. */
  readonly min: number;
  readonly max: number;
  /** Rows that touch each bin. */
  readonly all: Float64Array;
  /** Of these the selected ones. */
  readonly selected: Float64Array;
}

/** Null where no row has an interval. */
export function coverage({ low, high, count }: IIntervals, bins: number, has: (row: number) => boolean): ICoverage | null {
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
  const [all, selected] = [new Float64Array(bins + 1), new Float64Array(bins + 1)];
  const bin = (value: number): number => Math.min(bins - 1, Math.max(0, Math.floor(((value - min) / (max - min)) * bins)));
  for (let row = 0; row < count; row++) {
    const a = low[row] ?? NaN;
    const b = high[row] ?? NaN;
    if (b >= a) {
      const first = bin(a);
      const last = bin(b) + 1;
      step(all, first, last);
      if (has(row)) {
        step(selected, first, last);
      }
    }
  }
  for (const counts of [all, selected]) {
    for (let at = 1; at <= bins; at++) {
      counts[at] = (counts[at] ?? 0) + (counts[at - 1] ?? 0);
    }
  }
  return { min, max, all: all.subarray(0, bins), selected: selected.subarray(0, bins) };
}

/** A step up and one down; the sum of all steps is the count. */
function step(counts: Float64Array, up: number, down: number): void {
  counts[up] = (counts[up] ?? 0) + 1;
  counts[down] = (counts[down] ?? 0) - 1;
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
