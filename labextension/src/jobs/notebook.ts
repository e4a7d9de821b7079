/**
 * Code into a notebook of JupyterLab.
 */
import { JupyterFrontEnd } from '@jupyterlab/application';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { chooseNotebook } from '../notebooks';

/** What is used of JupyterLab's NotebookPanel. */
interface INotebookPanel extends Widget {
  readonly context?: { readonly ready: Promise<void> };
  readonly content: {
    activeCellIndex: number;
    readonly model: {
      readonly sharedModel: {
        readonly cells: readonly { readonly source: string }[];
        insertCell(index: number, cell: { cell_type: 'code'; source: string; metadata: object }): unknown;
        deleteCell(index: number): void;
      };
    } | null;
  };
}

/** Below the active cell of the open notebook, of several the chosen one, or in a new one. */
export async function insertCode(app: JupyterFrontEnd, code: string, trans: TranslationBundle): Promise<void> {
  const found = await chooseNotebook(app, trans);
  const panel = (found ?? (await create(app))) as INotebookPanel;
  await panel.context?.ready;
  const { content } = panel;
  const model = content.model?.sharedModel;
  if (!model) {
    throw new Error('The notebook is not ready yet; try again.');
  }
  const at = content.activeCellIndex;
  model.insertCell(at + 1, { cell_type: 'code', source: code.trimEnd(), metadata: {} });
  if (model.cells[at]?.source === '') {
    model.deleteCell(at);
  } else {
    content.activeCellIndex = at + 1;
  }
  app.shell.activateById(panel.id);
}

async function create(app: JupyterFrontEnd): Promise<Widget> {
  const kernelName = app.serviceManager.kernelspecs.specs?.default ?? 'python3';
  return (await app.commands.execute('notebook:create-new', { kernelName })) as Widget;
}
