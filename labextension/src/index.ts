/**
 * The plugins of jupyter_uws.
 */
import { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { jobs } from './jobs/plugin';
import { quickstart } from './quickstart';
import { viewers } from './viewers/plugin';

const plugins: JupyterFrontEndPlugin<void>[] = [quickstart, jobs, viewers];

export default plugins;
