/**
 * A table in a Lumino DataGrid: its data model, theme and mouse.
 */
import { BasicKeyHandler, BasicMouseHandler, BasicSelectionModel, DataGrid, DataModel, TextRenderer } from '@lumino/datagrid';

import { Cell, formatCell, isNumeric, Table } from '../formats/table';
import { attach, columnHeadAt } from '../grid/attach';
import { colour } from '../grid/theme';
import { Sorting } from './rows';

/** Characters of a cell that are drawn: arrays may have thousands. */
const LONGEST_TEXT = 200;
/** Rows that are loaded around one that is missing. */
const AHEAD = 200;

/** The cells of a table in the order of `rows`; cells that are not there yet are empty until they are. */
export class TableModel extends DataModel {
  constructor(readonly table: Table) {
    super();
  }

  /** Show these rows of the table; null: all of them. */
  arrange(rows: Uint32Array | null, sorting: Sorting | null): void {
    if (rows === null && this._rows === null && sorting === this._sorting) {
      return;
    }
    this._rows = rows;
    this._sorting = sorting;
    this.emitChanged({ type: 'model-reset' });
  }

  rowOf(row: number): number {
    return this._rows?.[row] ?? row;
  }

  rowCount(region: DataModel.RowRegion): number {
    return region === 'body' ? (this._rows?.length ?? this.table.rows) : 2;
  }

  columnCount(region: DataModel.ColumnRegion): number {
    return region === 'body' ? this.table.columns.length : 1;
  }

  data(region: DataModel.CellRegion, row: number, column: number): string {
    switch (region) {
      case 'row-header':
        return String(this.rowOf(row) + 1);
      case 'column-header':
        return this._title(row, column);
      case 'corner-header':
        return '';
      default:
        return this._text(row, column);
    }
  }

  private _title(row: number, column: number): string {
    const { name, unit } = this.table.columns[column] ?? { name: '', unit: '' };
    if (row === 1) {
      return unit;
    }
    const mark = this._sorting?.column === column ? (this._sorting.descending ? ' ▼' : ' ▲') : '';
    return name + mark;
  }

  private _text(row: number, column: number): string {
    const cell = this.table.cell(this.rowOf(row), column);
    if (cell === undefined) {
      this._need(row);
      return '…';
    }
    const type = this.table.columns[column]?.type ?? 'char';
    // only as many elements of an array as can be seen
    const seen = isArray(cell) ? cell.slice(0, LONGEST_TEXT) : cell;
    const text = formatCell(seen, type);
    return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)} …` : text;
  }

  /** Load what was asked for in this frame, once, and have it drawn again. */
  private _need(row: number): void {
    if (this._needed.size === 0) {
      requestAnimationFrame(() => void this._load());
    }
    this._needed.add(row);
  }

  private async _load(): Promise<void> {
    const needed = [...this._needed].sort((a, b) => a - b);
    this._needed.clear();
    const [first, last] = [needed[0] ?? 0, needed.at(-1) ?? 0];
    try {
      if (this._rows === null) {
        await this.table.load(first, last - first + AHEAD);
      } else {
        for (const row of needed) {
          await this.table.load(this.rowOf(row), 1);
        }
      }
    } catch {
      return; // the cells keep their dots; scan() tells why when it fails
    }
    const columnSpan = this.table.columns.length;
    const rowSpan = last - first + 1;
    this.emitChanged({ type: 'cells-changed', region: 'body', row: first, column: 0, rowSpan, columnSpan });
  }

  private _rows: Uint32Array | null = null;
  private _sorting: Sorting | null = null;
  private readonly _needed = new Set<number>();
}

/** Array.isArray does not know read-only arrays. */
function isArray(cell: Cell): cell is readonly Cell[] {
  return Array.isArray(cell);
}

/** A click on the head of a column, not on its edge, is reported. */
class MouseHandler extends BasicMouseHandler {
  constructor(private readonly _onHeader: (column: number) => void) {
    super();
  }

  onMouseDown(grid: DataGrid, event: MouseEvent): void {
    const column = columnHeadAt(grid, event);
    if (column >= 0) {
      this._onHeader(column);
    } else {
      super.onMouseDown(grid, event);
    }
  }
}

/** A grid of the table in the node, until the function that is returned is called. */
export function attachGrid(host: HTMLElement, model: TableModel, onHeader: (column: number) => void): () => void {
  const grid = new DataGrid({
    defaultSizes: { rowHeight: 24, columnWidth: 110, rowHeaderWidth: 72, columnHeaderHeight: 24 },
    headerVisibility: 'all'
  });
  grid.dataModel = model;
  grid.keyHandler = new BasicKeyHandler();
  grid.mouseHandler = new MouseHandler(onHeader);
  grid.selectionModel = new BasicSelectionModel({ dataModel: model });
  grid.copyConfig = { ...grid.copyConfig, headers: 'column', warningThreshold: 1e6 };
  fitColumns(grid, model);
  return attach(grid, host, () => {
    style(grid, model, host);
  });
}

function style(grid: DataGrid, model: TableModel, host: HTMLElement): void {
  const of = (name: string): string => colour(host, `--jp-${name}`, '');
  grid.style = {
    ...DataGrid.defaultStyle,
    voidColor: of('layout-color1'),
    backgroundColor: of('layout-color1'),
    headerBackgroundColor: of('layout-color2'),
    gridLineColor: of('border-color3'),
    headerGridLineColor: of('border-color2'),
    selectionFillColor: 'rgba(33, 150, 243, 0.2)',
    selectionBorderColor: of('brand-color1'),
    headerSelectionFillColor: 'rgba(33, 150, 243, 0.2)',
    headerSelectionBorderColor: of('brand-color1'),
    cursorFillColor: 'rgba(33, 150, 243, 0.2)',
    cursorBorderColor: of('brand-color1')
  };
  const font = `${of('ui-font-size1')} ${of('ui-font-family')}`;
  const code = `${of('code-font-size')} ${of('code-font-family')}`;
  const textColor = of('ui-font-color1');
  const isRight = (column: number): boolean => {
    const described = model.table.columns[column];
    return described !== undefined && isNumeric(described);
  };
  grid.cellRenderers.update({
    body: new TextRenderer({
      font: code,
      textColor,
      horizontalAlignment: ({ column }) => (isRight(column) ? 'right' : 'left')
    }),
    'column-header': new TextRenderer({
      font: ({ row }) => (row === 0 ? `600 ${font}` : font),
      textColor: ({ row }) => (row === 0 ? textColor : of('ui-font-color2')),
      horizontalAlignment: ({ column }) => (isRight(column) ? 'right' : 'left')
    }),
    'row-header': new TextRenderer({ font, textColor: of('ui-font-color2'), horizontalAlignment: 'right' })
  });
}

/** Columns as wide as their heads and first cells. */
function fitColumns(grid: DataGrid, model: TableModel): void {
  const { table } = model;
  for (const [at, column] of table.columns.entries()) {
    let longest = Math.max(column.name.length + 2, column.unit.length);
    for (let row = 0; row < Math.min(30, table.rows); row++) {
      const cell = table.cell(row, at);
      longest = Math.max(longest, cell === undefined ? 0 : formatCell(cell, column.type).slice(0, 40).length);
    }
    grid.resizeColumn('body', at, Math.min(320, Math.max(64, 8 * longest + 16)));
  }
}
