/**
 * The plugins of jupyter_uws.
 */
import { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { jobs } from './jobs/plugin';
import { quickstart } from './quickstart';
import { search } from './search/plugin';
import { viewers } from './viewers/plugin';

const plugins: JupyterFrontEndPlugin<void>[] = [quickstart, jobs, search, viewers];

export default plugins;
