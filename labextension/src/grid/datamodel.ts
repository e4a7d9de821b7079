/**
 * The rows as Lumino's DataGrid asks for them: a column of marks, then the columns shown.
 */
import { DataModel } from '@lumino/datagrid';

import { Rows } from './rows';

export const CHECKED = '☑';
export const UNCHECKED = '☐';

export class RowsDataModel extends DataModel {
  constructor(readonly rows: Rows) {
    super();
  }

  rowCount(region: DataModel.RowRegion): number {
    return region === 'body' ? this.rows.order.length : 1;
  }

  columnCount(region: DataModel.ColumnRegion): number {
    return region === 'body' ? this.rows.columns.length : 1;
  }

  data(region: DataModel.CellRegion, row: number, column: number): string {
    const { rows } = this;
    if (region === 'corner-header') {
      return '';
    }
    const place = rows.order[row] ?? -1;
    if (region === 'row-header') {
      return rows.selection.has(place) ? CHECKED : UNCHECKED;
    }
    const shown = rows.columns[column];
    if (shown === undefined) {
      return '';
    }
    if (region === 'column-header') {
      const mark = rows.sort?.column === shown.field.name ? (rows.sort.descending ? ' ▼' : ' ▲') : '';
      return rows.title(shown) + mark;
    }
    return rows.text(shown, place);
  }

  /** Other rows or columns. */
  reset(): void {
    this.emitChanged({ type: 'model-reset' });
  }

  /** Other marks on the same rows. */
  repaint(): void {
    const rowSpan = this.rowCount('body');
    if (rowSpan > 0) {
      for (const region of ['body', 'row-header'] as const) {
        this.emitChanged({
          type: 'cells-changed',
          region,
          row: 0,
          column: 0,
          rowSpan,
          columnSpan: this.columnCount(region === 'body' ? 'body' : 'row-header')
        });
      }
    }
  }
}
