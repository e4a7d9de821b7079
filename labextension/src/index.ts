/**
 * The plugins of jupyter_uws.
 */
import { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { jobs } from './jobs/plugin';
import { quickstart } from './quickstart';

const plugins: JupyterFrontEndPlugin<void>[] = [quickstart, jobs];

export default plugins;
