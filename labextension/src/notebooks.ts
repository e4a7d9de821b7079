/**
 * Which notebook code goes into.
 */
import { JupyterFrontEnd } from '@jupyterlab/application';
import { InputDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

/**
 * The open notebook, or the one of several that is chosen; null for a new one, which is made where there is none, too.
 * Rejects where nothing was chosen.
 */
export async function chooseNotebook(app: JupyterFrontEnd, trans: TranslationBundle): Promise<Widget | null> {
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
