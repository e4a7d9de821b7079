/**
 * A notebook of JupyterLab as a job: the one at hand, or the one that is chosen in the file browser; and as it ran.
 */
import { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { PageConfig, PathExt } from '@jupyterlab/coreutils';
import type { Contents } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Widget } from '@lumino/widgets';

import { messageOf } from '../errors';
import { jobsIcon } from '../icons';
import { JobService } from './api';
import { readFile } from './picker';
import { Tabs } from './tabs';

export const RUN_NOTEBOOK = 'jupyter-uws:run-notebook';
/** The job type, and its parameter. */
const TYPE = 'notebook';

/** What is used of JupyterLab's NotebookPanel and FileBrowser; their packages are not needed for that. */
interface INotebookPanel extends Widget {
  readonly context: { readonly path: string; readonly model: { readonly dirty: boolean }; save(): Promise<void> };
}
interface IFileBrowser extends Widget {
  readonly model: { readonly path: string };
  selectedItems(): Iterable<Contents.IModel>;
}

export function addRunNotebook(app: JupyterFrontEnd, service: JobService, tabs: Tabs, trans: TranslationBundle): void {
  const run = async (path: string): Promise<void> => {
    const types = await service.types();
    if (!types.some(type => type.name === TYPE)) {
      throw new Error(
        trans.__('This service runs no notebooks: whoever runs it must set c.ServeApp.python_jobs = True in jupyter_uws_config.py.')
      );
    }
    const file = await readFile(app.serviceManager.contents, PageConfig.getOption('serverRoot'), path);
    const name = PathExt.basename(path, '.ipynb');
    tabs.openNewJob({ type: TYPE, run_id: name }, { [TYPE]: [file] });
  };
  app.commands.addCommand(RUN_NOTEBOOK, {
    label: trans.__('Run Notebook as a Job…'),
    caption: trans.__('From top to bottom on the cluster, with other values of its parameters if need be'),
    icon: jobsIcon,
    describedBy: { args: { type: 'object', properties: { chosen: { type: 'boolean' } } } },
    isEnabled: ({ chosen }) => (chosen ? chosenFile(app) : panelAtHand(app)) !== null,
    execute: async ({ chosen }) => {
      try {
        const panel = chosen ? null : panelAtHand(app);
        if (panel?.context.model.dirty) {
          await panel.context.save();
        }
        const path = panel ? panel.context.path : chosenFile(app);
        if (path !== null) {
          await run(path);
        }
      } catch (error) {
        Notification.error(messageOf(error));
      }
    }
  });
}

/** Save a notebook in the folder of the file browser, unless it is there already, and open it. */
export async function openNotebook(app: JupyterFrontEnd, name: string, content: string): Promise<void> {
  const { contents } = app.serviceManager;
  const path = PathExt.join(fileBrowser(app)?.model.path ?? '', name);
  const folder = await contents.get(PathExt.dirname(path), { content: true, type: 'directory' });
  if (!(folder.content as Contents.IModel[]).some(file => file.name === name)) {
    await contents.save(path, { type: 'notebook', format: 'json', content: JSON.parse(content) as object });
  }
  await app.commands.execute('docmanager:open', { path });
}

function fileBrowser(app: JupyterFrontEnd): IFileBrowser | undefined {
  return [...app.shell.widgets('left')].find(widget => widget.id === 'filebrowser') as IFileBrowser | undefined;
}

function panelAtHand(app: JupyterFrontEnd): INotebookPanel | null {
  const { currentWidget } = app.shell;
  return currentWidget?.hasClass('jp-NotebookPanel') ? (currentWidget as INotebookPanel) : null;
}

/** The path of the first notebook that is chosen in the file browser. */
function chosenFile(app: JupyterFrontEnd): string | null {
  return [...(fileBrowser(app)?.selectedItems() ?? [])].find(item => item.type === 'notebook')?.path ?? null;
}
