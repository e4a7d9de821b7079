/**
 * A launcher card and a command that open the quickstart notebook.
 */
import { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';

import { telescopeIcon } from './icons';

const COMMAND = 'jupyter-uws:open-quickstart';
const CATEGORY = 'Observatory';
const NOTEBOOK = 'notebooks/quickstart.ipynb';

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
  try {
    await app.serviceManager.contents.get(NOTEBOOK, { content: false });
  } catch {
    Notification.warning(
      `There is no ${NOTEBOOK} below the folder that JupyterLab was started in. ` +
        'Start JupyterLab in a clone of jupyter_uws, or run: jupyter uws demo',
      { autoClose: false }
    );
    return;
  }
  await app.commands.execute('docmanager:open', { path: NOTEBOOK });
}
