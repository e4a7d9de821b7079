/**
 * A launcher card and a command that open the quickstart notebook.
 */
import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { ServerConnection } from '@jupyterlab/services';

import { telescopeIcon } from './icons';

const COMMAND = 'jupyter-uws:open-quickstart';
const CATEGORY = 'Observatory';
/** In a clone, and where `jupyter uws demo` has put a copy of the installed one. */
const NOTEBOOKS = ['notebooks/quickstart.ipynb', 'quickstart.ipynb'];

export const quickstart: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-uws:quickstart',
  description: 'Opens the quickstart notebook from the launcher and the command palette.',
  autoStart: true,
  optional: [ICommandPalette, ILauncher],
  activate: (app: JupyterFrontEnd, palette: ICommandPalette | null, launcher: ILauncher | null) => {
    app.commands.addCommand(COMMAND, {
      label: 'Observatory quickstart',
      caption: 'Search the archive, run a job and look at the results',
      icon: telescopeIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => open(app)
    });
    palette?.addItem({ command: COMMAND, category: CATEGORY });
    launcher?.add({ command: COMMAND, category: CATEGORY, rank: 0 });
  }
};

async function open(app: JupyterFrontEnd): Promise<void> {
  for (const path of NOTEBOOKS) {
    if (await exists(app, path)) {
      await app.commands.execute('docmanager:open', { path });
      return;
    }
  }
  // JupyterLab cuts a notification at 140 characters
  Notification.warning(
    "There is no quickstart.ipynb in JupyterLab's folder: " +
      'start JupyterLab in a clone of jupyter_uws, or run: jupyter uws demo',
    { autoClose: false }
  );
}

async function exists(app: JupyterFrontEnd, path: string): Promise<boolean> {
  try {
    await app.serviceManager.contents.get(path, { content: false });
    return true;
  } catch (error) {
    if (error instanceof ServerConnection.ResponseError && error.response.status === 404) {
      return false;
    }
    throw error;
  }
}
