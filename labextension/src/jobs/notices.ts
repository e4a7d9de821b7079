/**
 * What is told when jobs end: each by its name, many at once by their number.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { Activity } from './activity';
import { IJob, nameOf } from './job';

export interface INotice {
  readonly message: string;
  readonly failed: boolean;
  /** The one job that it is about; null for several. */
  readonly job: IJob | null;
}

/** Milliseconds for which ends are gathered, and how many are told each by its own. */
const GATHER = 500;
const EACH = 3;
/** JupyterLab cuts a notification at 140 characters. */
const LONGEST = 130;

export function notices(jobs: readonly IJob[], trans: TranslationBundle): INotice[] {
  if (jobs.length > EACH) {
    const failed = jobs.filter(job => job.phase === 'ERROR').length;
    const message = trans.__('%1 jobs have ended, %2 of them with an error', `${jobs.length}`, `${failed}`);
    return [{ message, failed: failed > 0, job: null }];
  }
  return jobs.map(job => {
    const failed = job.phase === 'ERROR';
    const words = failed ? trans.__('%1 has failed: %2', nameOf(job), job.message) : trans.__('%1 is done', nameOf(job));
    const message = words.length > LONGEST ? `${words.slice(0, LONGEST - 1)}…` : words;
    return { message, failed, job };
  });
}

/** Tell of every end from now on. */
export function announce(activity: Activity, trans: TranslationBundle, tell: (notice: INotice) => void): void {
  let gathered: IJob[] = [];
  activity.ended.connect((_, job) => {
    gathered.push(job);
    if (gathered.length === 1) {
      setTimeout(() => {
        notices(gathered, trans).forEach(tell);
        gathered = [];
      }, GATHER);
    }
  });
}
