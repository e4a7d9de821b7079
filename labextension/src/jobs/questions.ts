/**
 * What is asked before something that cannot be undone.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { IQuestion } from './host';
import { Action, IJob, nameOf } from './job';

/** The question before an action on these jobs; null where none is needed. */
export function question(action: Action, jobs: readonly IJob[], trans: TranslationBundle): IQuestion | null {
  const count = jobs.length;
  const [job] = jobs;
  const what = count === 1 && job ? nameOf(job) : trans._n('%1 job', '%1 jobs', count);
  switch (action) {
    case 'run':
      return null;
    case 'abort':
      // one running job is stopped at once, as by Ctrl-C
      return count === 1
        ? null
        : {
            title: trans._n('Abort this job?', 'Abort %1 jobs?', count),
            body: trans.__('%1 will be stopped; what was computed so far is not a result.', what),
            accept: trans.__('Abort')
          };
    case 'archive':
      return {
        title: trans._n('Archive this job?', 'Archive %1 jobs?', count),
        body: trans.__('Of %1 the record is kept, and all files are removed. This cannot be undone.', what),
        accept: trans.__('Archive')
      };
    case 'delete':
      return {
        title: trans._n('Delete this job?', 'Delete %1 jobs?', count),
        body: trans.__('%1 and all results will be deleted. This cannot be undone.', what),
        accept: trans.__('Delete')
      };
  }
}
