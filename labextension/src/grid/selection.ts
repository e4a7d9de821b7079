/**
 * Which rows are selected: one model for grid, sky and charts.
 */
import { ISignal, Signal } from '@lumino/signaling';

export type SelectMode = 'replace' | 'add' | 'toggle' | 'remove';

export class Selection {
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get count(): number {
    return this._count;
  }

  has(row: number): boolean {
    return this._mask[row] === 1;
  }

  /** The selected rows, in the table's order. */
  rows(): number[] {
    const rows: number[] = [];
    this._mask.forEach((selected, row) => {
      if (selected === 1) {
        rows.push(row);
      }
    });
    return rows;
  }

  select(rows: Iterable<number>, mode: SelectMode = 'replace'): void {
    if (mode === 'replace') {
      this._mask.fill(0);
    }
    for (const row of rows) {
      if (row >= 0 && row < this._mask.length) {
        this._mask[row] = mode === 'remove' || (mode === 'toggle' && this.has(row)) ? 0 : 1;
      }
    }
    this._count = this._mask.reduce((total, selected) => total + selected, 0);
    this._changed.emit();
  }

  clear(): void {
    if (this._count > 0) {
      this.select([]);
    }
  }

  /** Begin again with so many rows, or go on with more. */
  resize(rows: number): void {
    const mask = new Uint8Array(rows);
    mask.set(this._mask.subarray(0, rows));
    this._mask = mask;
  }

  private readonly _changed = new Signal<this, void>(this);
  private _mask = new Uint8Array(0);
  private _count = 0;
}
