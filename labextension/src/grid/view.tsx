/**
 * The grid of results: Lumino's DataGrid over {@link Rows}, with the selection that sky and charts share.
 */
import { BasicKeyHandler, BasicMouseHandler, CellRenderer, DataGrid, TextRenderer } from '@lumino/datagrid';
import { Message } from '@lumino/messaging';
import { JSX, useLayoutEffect, useRef, useState } from 'react';

import { attach, columnHeadAt } from './attach';
import { RowsDataModel } from './datamodel';
import { Rows } from './rows';
import { colour, translucent } from './theme';

const MARKS_WIDTH = 28;

/** Which row the keyboard is at, and where a range begins. */
class Cursor {
  row = -1;
  anchor = -1;
}

function select(rows: Rows, cursor: Cursor, row: number, how: 'one' | 'toggle' | 'range'): void {
  const { order, selection } = rows;
  const place = order[row];
  if (place === undefined) {
    return;
  }
  if (how === 'range' && cursor.anchor >= 0) {
    const [first, last] = [Math.min(cursor.anchor, row), Math.max(cursor.anchor, row)];
    cursor.row = row;
    selection.select(order.subarray(first, last + 1), 'add');
    return;
  }
  cursor.row = cursor.anchor = row;
  selection.select([place], how === 'toggle' ? 'toggle' : 'replace');
}

class Mouse extends BasicMouseHandler {
  constructor(
    private readonly _rows: Rows,
    private readonly _cursor: Cursor
  ) {
    super();
  }

  onMouseDown(grid: DataGrid, event: MouseEvent): void {
    const { region, row } = grid.hitTest(event.clientX, event.clientY);
    if (region === 'body' || region === 'row-header') {
      const toggles = region === 'row-header' || event.ctrlKey || event.metaKey;
      select(this._rows, this._cursor, row, event.shiftKey ? 'range' : toggles ? 'toggle' : 'one');
      return;
    }
    if (region === 'corner-header') {
      const { selection, order } = this._rows;
      selection.select(order, selection.count < order.length ? 'add' : 'remove');
      return;
    }
    const clicked = this._rows.columns[columnHeadAt(grid, event)];
    if (clicked !== undefined) {
      this._rows.sortBy(clicked.field.name);
      return;
    }
    super.onMouseDown(grid, event);
  }
}

class Keys extends BasicKeyHandler {
  constructor(
    private readonly _rows: Rows,
    private readonly _cursor: Cursor,
    private readonly _open: (row: number) => void
  ) {
    super();
  }

  onKeyDown(grid: DataGrid, event: KeyboardEvent): void {
    const { order, selection } = this._rows;
    const last = order.length - 1;
    const steps: Readonly<Record<string, number>> = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 };
    const step = steps[event.key];
    if (step !== undefined && last >= 0) {
      const row = Math.max(0, Math.min(last, this._cursor.row + step));
      select(this._rows, this._cursor, row, event.shiftKey ? 'range' : 'one');
      grid.scrollToRow(row);
    } else if (event.key === ' ' && this._cursor.row >= 0) {
      select(this._rows, this._cursor, this._cursor.row, 'toggle');
    } else if (event.key === 'Enter' && this._cursor.row >= 0) {
      this._open(order[this._cursor.row] ?? -1);
    } else if (event.key === 'a' && (event.ctrlKey || event.metaKey)) {
      selection.select(order, 'add');
    } else if (event.key === 'Escape') {
      selection.clear();
    } else {
      super.onKeyDown(grid, event);
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

/** A double click opens the row. */
class Grid extends DataGrid {
  opened: (clientX: number, clientY: number) => void = () => undefined;

  handleEvent(event: Event): void {
    if (event.type === 'dblclick') {
      this.opened((event as MouseEvent).clientX, (event as MouseEvent).clientY);
    }
    super.handleEvent(event);
  }

  protected onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this.fit();
  }
}

export interface IGridProps {
  readonly rows: Rows;
  readonly label: string;
  readonly open: (row: number) => void;
}

export function GridView({ rows, label, open }: IGridProps): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState('');
  // not useEffect: Lumino must let go of its node before React takes it out of the page
  useLayoutEffect(() => {
    const element = host.current;
    if (element === null) {
      return;
    }
    const cursor = new Cursor();
    const model = new RowsDataModel(rows);
    const grid = new Grid({
      defaultSizes: { rowHeight: 22, columnWidth: 110, rowHeaderWidth: MARKS_WIDTH, columnHeaderHeight: 24 },
      minimumSizes: { rowHeight: 22, columnWidth: 40, rowHeaderWidth: MARKS_WIDTH, columnHeaderHeight: 24 },
      headerVisibility: 'all'
    });
    grid.dataModel = model;
    grid.mouseHandler = new Mouse(rows, cursor);
    grid.keyHandler = new Keys(rows, cursor, open);
    grid.opened = (x, y) => {
      const { region, row } = grid.hitTest(x, y);
      if (region === 'body') {
        open(rows.order[row] ?? -1);
      }
    };
    widen(grid, rows); // before it is seen: each width that changes then paints the grid
    grid.node.setAttribute('aria-label', label);
    grid.node.setAttribute('role', 'application');
    const detach = attach(grid, element, () => {
      style(grid, rows, element);
    });
    const titlesOf = (): string => rows.columns.map(column => rows.title(column)).join();
    let widened = titlesOf();
    let table = rows.table;
    const onRows = (): void => {
      cursor.row = cursor.anchor = -1;
      model.reset();
      // widths that the user chose stay while the columns do
      const titles = titlesOf();
      if (titles !== widened || table !== rows.table) {
        widen(grid, rows);
        [widened, table] = [titles, rows.table];
      }
    };
    const onSelection = (): void => {
      model.repaint();
      const place = rows.order[cursor.row];
      const text = place === undefined ? '' : rows.columns.map(column => rows.text(column, place)).join(', ');
      setCurrent(text.slice(0, 200));
    };
    rows.changed.connect(onRows);
    rows.selection.changed.connect(onSelection);
    onRows();
    return () => {
      rows.changed.disconnect(onRows);
      rows.selection.changed.disconnect(onSelection);
      detach();
    };
  }, [rows, label, open]);
  return (
    <>
      <div className="jp-UWSGrid" ref={host} />
      <span className="jp-UWS-hidden" aria-live="polite">
        {current}
      </span>
    </>
  );
}

/** As wide as title and first values need, within bounds. */
function widen(grid: DataGrid, rows: Rows): void {
  rows.columns.forEach((column, at) => {
    let letters = rows.title(column).length + 2;
    for (let row = 0; row < Math.min(20, rows.order.length); row++) {
      letters = Math.max(letters, rows.text(column, rows.order[row] ?? 0).length);
    }
    const width = Math.max(60, Math.min(260, letters * 7 + 14));
    if (grid.columnSize('body', at) !== width) {
      grid.resizeColumn('body', at, width);
    }
  });
}

function style(grid: DataGrid, rows: Rows, element: Element): void {
  const [text, border, selected] = [
    colour(element, '--jp-ui-font-color1', '#222'),
    colour(element, '--jp-border-color2', '#ddd'),
    translucent(colour(element, '--jp-brand-color1', '#1976d2'), 0.3)
  ];
  const [background, header] = [colour(element, '--jp-layout-color0', '#fff'), colour(element, '--jp-layout-color2', '#eee')];
  const font = `12px ${colour(element, '--jp-ui-font-family', 'sans-serif')}`;
  grid.style = {
    ...DataGrid.defaultStyle,
    voidColor: background,
    backgroundColor: background,
    gridLineColor: border,
    headerBackgroundColor: header,
    headerGridLineColor: border
  };
  const isSelected = (config: CellRenderer.CellConfig): boolean => rows.selection.has(rows.order[config.row] ?? -1);
  const cell = new TextRenderer({
    font,
    textColor: text,
    backgroundColor: config => (isSelected(config) ? selected : ''),
    horizontalAlignment: config => (rows.columns[config.column]?.kind === 'number' ? 'right' : 'left')
  });
  const head = new TextRenderer({ font: `600 ${font}`, textColor: text, backgroundColor: header });
  const mark = new TextRenderer({
    font: font.replace('12px', '15px'),
    textColor: text,
    horizontalAlignment: 'center',
    backgroundColor: config => (isSelected(config) ? selected : '')
  });
  grid.cellRenderers.update({ body: cell, 'column-header': head, 'corner-header': head, 'row-header': mark });
}
