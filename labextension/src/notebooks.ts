/**
 * Code into a notebook of JupyterLab, and which notebook that is.
 */
import { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

/** What is used of JupyterLab's NotebookPanel; its package is not needed for that. */
interface INotebookPanel extends Widget {
  readonly content: {
    activeCellIndex: number;
    readonly model: {
      readonly sharedModel: {
        readonly cells: readonly { readonly source: string }[];
        insertCell(index: number, cell: object): unknown;
        deleteCell(index: number): void;
      };
    } | null;
  };
  readonly context: { readonly ready: Promise<void>; readonly path: string };
  readonly sessionContext: { readonly ready: Promise<void> };
}

/**
 * A new cell below the active one of the open notebook, of several the chosen one, or in a new one; the notebook's path.
 * An active cell that is empty gives its place.
 */
export async function insertCode(app: JupyterFrontEnd, code: string, trans: TranslationBundle): Promise<string> {
  return (await insertCell(app, code, trans)).context.path;
}

/** The same, and the cell is run. */
export async function runCode(app: JupyterFrontEnd, code: string, trans: TranslationBundle): Promise<string> {
  const panel = await insertCell(app, code, trans);
  await panel.sessionContext.ready; // without a kernel JupyterLab would ask for one
  await app.commands.execute('notebook:run-cell');
  return panel.context.path;
}

async function insertCell(app: JupyterFrontEnd, code: string, trans: TranslationBundle): Promise<INotebookPanel> {
  const panel = ((await chooseNotebook(app, trans)) ?? (await create(app))) as INotebookPanel;
  await panel.context.ready;
  const { content } = panel;
  const model = content.model?.sharedModel;
  if (!model) {
    throw new Error(trans.__('The notebook is not ready yet; try again.'));
  }
  const at = content.activeCellIndex;
  model.insertCell(at + 1, { cell_type: 'code', source: code.trimEnd(), metadata: {}, outputs: [], execution_count: null });
  if (model.cells[at]?.source === '') {
    model.deleteCell(at);
    content.activeCellIndex = at;
  } else {
    content.activeCellIndex = at + 1;
  }
  app.shell.activateById(panel.id);
  return panel;
}

async function create(app: JupyterFrontEnd): Promise<Widget> {
  const { kernelspecs } = app.serviceManager;
  await kernelspecs.ready;
  return (await app.commands.execute('notebook:create-new', { kernelName: kernelspecs.specs?.default ?? 'python3' })) as Widget;
}

/**
 * The open notebook, or the one of several that is chosen; null for a new one, which is made where there is none, too.
 * Rejects where nothing was chosen.
 */
async function chooseNotebook(app: JupyterFrontEnd, trans: TranslationBundle): Promise<Widget | null> {
  const open = [...app.shell.widgets('main')].filter(widget => widget.hasClass('jp-NotebookPanel'));
  if (open.length < 2) {
    return open[0] ?? null;
  }
  const seen = open.findIndex(widget => widget.isVisible);
  const names = open.map(widget => widget.title.label);
  // two notebooks of the same name are told apart by their folders
  const items = open.map(({ title }) => (names.filter(name => name === title.label).length > 1 ? pathOf(title.caption) : title.label));
  const created = trans.__('A new notebook');
  const { button, value } = await InputDialog.getItem({
    title: trans.__('Into which notebook?'),
    items: [...items, created],
    current: seen < 0 ? items.length - 1 : seen
  });
  if (!button.accept || value === null) {
    throw new Error(trans.__('No notebook was chosen.'));
  }
  return open[items.indexOf(value)] ?? null;
}

/** JupyterLab's caption of a document has its path in one of its lines. */
function pathOf(caption: string): string {
  return /^Path: (.*)$/m.exec(caption)?.[1] ?? caption;
}
