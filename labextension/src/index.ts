/**
 * The plugins of jupyter_uws.
 */
import { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { quickstart } from './quickstart';

const plugins: JupyterFrontEndPlugin<void>[] = [quickstart];

export default plugins;
