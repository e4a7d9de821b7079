/**
 * What every DataGrid of ours has around it: its place in the page, the theme, and the heads of columns to click on.
 */
import { DataGrid } from '@lumino/datagrid';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { onThemeChange } from './theme';

/** Pixels at either side of a column's head by which its width is drawn. */
const EDGE = 6;

/** Put a grid into a node, as large as it is, and `paint` it now and at each change of the theme; returns what ends that. */
export function attach(grid: DataGrid, host: HTMLElement, paint: () => void): () => void {
  paint();
  Widget.attach(grid, host);
  const resized = new ResizeObserver(() => {
    MessageLoop.postMessage(grid, Widget.ResizeMessage.UnknownSize);
  });
  resized.observe(host);
  const ended = onThemeChange(paint);
  return () => {
    ended();
    resized.disconnect();
    if (grid.isAttached && !grid.node.isConnected) {
      // its page was taken away as a whole, as when a cell is run again: Lumino detaches only what is in the document
      MessageLoop.sendMessage(grid, Widget.Msg.BeforeDetach);
      MessageLoop.sendMessage(grid, Widget.Msg.AfterDetach);
    }
    grid.dispose();
  };
}

/** The column on whose head, and not on the edge of it, the main button of the mouse is; -1 elsewhere. */
export function columnHeadAt(grid: DataGrid, event: MouseEvent): number {
  const { region, column, x, width } = grid.hitTest(event.clientX, event.clientY);
  return region === 'column-header' && event.button === 0 && x > EDGE && x < width - EDGE ? column : -1;
}
