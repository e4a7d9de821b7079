/**
 * The plugin of the side panel "Jobs".
 */
import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { JobService } from './api';
import { JobsModel } from './model';
import { JobsPanel } from './panel';

export const jobs: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-uws:jobs',
  description: "A side panel with the user's UWS jobs.",
  autoStart: true,
  optional: [ILayoutRestorer],
  activate: (app: JupyterFrontEnd, restorer: ILayoutRestorer | null) => {
    const panel = new JobsPanel(new JobsModel(new JobService(app.serviceManager.serverSettings)));
    app.shell.add(panel, 'left', { rank: 500 });
    restorer?.add(panel, panel.id);
  }
};
