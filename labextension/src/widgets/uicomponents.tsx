/**
 * What the views use of @jupyterlab/ui-components, which is too large to be sent to each page with a widget:
 * `widgets.build.mjs` puts this in its place.
 */
import type { ISignal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';
import type { JSX } from 'react';

import caretDown from '@jupyterlab/ui-components/style/icons/arrow/caret-down.svg';
import caretRight from '@jupyterlab/ui-components/style/icons/arrow/caret-right.svg';
import file from '@jupyterlab/ui-components/style/icons/filetype/file.svg';
import folder from '@jupyterlab/ui-components/style/icons/filetype/folder.svg';
import kernel from '@jupyterlab/ui-components/style/icons/statusbar/kernel.svg';
import list from '@jupyterlab/ui-components/style/icons/statusbar/list.svg';
import add from '@jupyterlab/ui-components/style/icons/toolbar/add.svg';
import remove from '@jupyterlab/ui-components/style/icons/toolbar/delete.svg';
import filterList from '@jupyterlab/ui-components/style/icons/toolbar/filter-list.svg';
import refresh from '@jupyterlab/ui-components/style/icons/toolbar/refresh.svg';
import run from '@jupyterlab/ui-components/style/icons/toolbar/run.svg';
import stop from '@jupyterlab/ui-components/style/icons/toolbar/stop.svg';

export class LabIcon {
  constructor({ svgstr }: { name: string; svgstr: string }) {
    // drawings of our own and of JupyterLab's package: nothing from outside
    this.react = () => <span dangerouslySetInnerHTML={{ __html: svgstr }} />;
  }

  readonly react: (props: { tag?: string }) => JSX.Element;
}

function icon(name: string, svgstr: string): LabIcon {
  return new LabIcon({ name, svgstr });
}

export const addIcon = icon('add', add);
export const caretDownIcon = icon('caret-down', caretDown);
export const caretRightIcon = icon('caret-right', caretRight);
export const deleteIcon = icon('delete', remove);
export const fileIcon = icon('file', file);
export const folderIcon = icon('folder', folder);
export const filterListIcon = icon('filter-list', filterList);
export const kernelIcon = icon('kernel', kernel);
export const listIcon = icon('list', list);
export const refreshIcon = icon('refresh', refresh);
export const runIcon = icon('run', run);
export const stopIcon = icon('stop', stop);

/** Draws its children anew whenever the signal is emitted. */
export function UseSignal<S, T>(props: { signal: ISignal<S, T>; children: () => JSX.Element | null }): JSX.Element | null {
  const { signal, children } = props;
  const [, draw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const slot = (): void => {
      draw();
    };
    signal.connect(slot);
    draw(); // what was emitted since it was drawn first
    return () => {
      signal.disconnect(slot);
    };
  }, [signal]);
  return children();
}
