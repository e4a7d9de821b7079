/**
 * The rows of a table as they are shown: which, in which order, with which columns and formats.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../errors';
import { formatDec, formatRa } from '../search/coordinates';
import { HC_TEV_M } from '../search/query';
import { formatTime } from '../search/times';
import { Selection } from './selection';
import { sorted } from './sorting';
import { allRows, Column, filtered, Table } from './table';

export interface ISort {
  readonly column: string;
  readonly descending: boolean;
}

/** How angles, times and wavelengths are written. */
export interface IFormats {
  readonly sexagesimal: boolean;
  /** Dates in UTC in place of MJD in TT. */
  readonly dates: boolean;
  /** Energies in TeV in place of wavelengths in m. */
  readonly energies: boolean;
}

export class Rows {
  readonly selection = new Selection();

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get table(): Table | null {
    return this._table;
  }

  /** Places in the table, in the order shown. */
  get order(): Int32Array {
    return this._order;
  }

  get columns(): readonly Column[] {
    return this._table?.columns.filter(column => !this._hidden.has(column.field.name)) ?? [];
  }

  get hidden(): ReadonlySet<string> {
    return this._hidden;
  }

  get sort(): ISort | null {
    return this._sort;
  }

  get filter(): string {
    return this._filter;
  }

  /** Why the filter does nothing; null where it does. */
  get filterError(): string | null {
    return this._filterError;
  }

  get formats(): IFormats {
    return this._formats;
  }

  /** Show another table, sorted by a column where it has it; hidden columns of the same names stay hidden. */
  show(table: Table, by: string | null = null): void {
    this._table = table;
    this.selection.resize(0);
    this.selection.resize(table.rowCount);
    this.selection.select([]);
    this._filter = '';
    this._sort = by === null || table.column(by) === undefined ? null : { column: by, descending: false };
    this._arrangeAll();
  }

  /** By a column: ascending, then descending, then as it came. */
  sortBy(column: string): void {
    if (this._sort?.column !== column) {
      this._sort = { column, descending: false };
    } else {
      this._sort = this._sort.descending ? null : { column, descending: true };
    }
    this._arrangeAll();
  }

  setFilter(filter: string): void {
    this._filter = filter;
    this._arrange();
  }

  toggleColumn(name: string): void {
    const hidden = new Set(this._hidden);
    if (!hidden.delete(name)) {
      hidden.add(name);
    }
    this._hidden = hidden;
    this._changed.emit();
  }

  /** The names of the columns that are not shown. */
  hide(names: Iterable<string>): void {
    this._hidden = new Set(names);
    this._changed.emit();
  }

  setFormats(change: Partial<IFormats>): void {
    this._formats = { ...this._formats, ...change };
    this._changed.emit();
  }

  /** The title of a column with its unit. */
  title(column: Column): string {
    const { name, unit } = column.field;
    const { unit: shown } = this._format(column);
    const written = shown ?? unit;
    return written === '' ? name : `${name} [${written}]`;
  }

  /** A value as it is written. */
  text(column: Column, row: number): string {
    if (column.kind === 'text') {
      return column.values[row] ?? '';
    }
    const value = column.values[row] ?? NaN;
    return Number.isNaN(value) ? '' : this._format(column).write(value);
  }

  private _format(column: Column): { unit: string | null; write: (value: number) => string } {
    const { name, datatype, unit } = column.field;
    const { sexagesimal, dates, energies } = this._formats;
    if (sexagesimal && name === 's_ra') {
      return { unit: 'hms', write: value => formatRa(value) };
    }
    if (sexagesimal && name === 's_dec') {
      return { unit: 'dms', write: value => formatDec(value) };
    }
    if (dates && (name === 't_min' || name === 't_max')) {
      return { unit: 'UTC', write: value => formatTime(value, 'utc').slice(0, 19).replace('T', ' ') };
    }
    if (energies && (name === 'em_min' || name === 'em_max')) {
      return { unit: 'TeV', write: value => (HC_TEV_M / value).toPrecision(3) };
    }
    if (datatype === 'float' || datatype === 'double') {
      if (unit === 'deg') {
        return { unit: null, write: value => value.toFixed(4) };
      }
      return { unit: null, write: value => String(Number(value.toPrecision(name.startsWith('t_m') ? 11 : 6))) };
    }
    return { unit: null, write: String };
  }

  /** Sort all rows, that a change of the filter need not do so. */
  private _arrangeAll(): void {
    const table = this._table;
    if (table !== null) {
      const rows = allRows(table);
      this._all = this._sort === null ? rows : sorted(table, rows, this._sort.column, this._sort.descending);
    }
    this._arrange();
  }

  private _arrange(): void {
    const table = this._table;
    if (table !== null) {
      this._filterError = null;
      try {
        this._order = filtered(table, this._filter, this._all);
      } catch (error) {
        this._filterError = messageOf(error);
        this._order = this._all;
      }
    }
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _table: Table | null = null;
  /** All rows, in the order shown. */
  private _all = new Int32Array(0);
  private _order = new Int32Array(0);
  private _hidden: ReadonlySet<string> = new Set(['s_region', 'obs_publisher_did']);
  private _sort: ISort | null = null;
  private _filter = '';
  private _filterError: string | null = null;
  private _formats: IFormats = { sexagesimal: false, dates: true, energies: true };
}
