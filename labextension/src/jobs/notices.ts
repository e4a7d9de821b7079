/**
 * What is told when jobs end: each by its name, many at once by their number.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { ISignal } from '@lumino/signaling';

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
/** Milliseconds for which a notice is seen. */
export const SHOWN = 10_000;
/** JupyterLab cuts a notification at 140 characters. */
const LONGEST = 130;

export function notices(jobs: readonly IJob[], trans: TranslationBundle): INotice[] {
  if (jobs.length > EACH) {
    const failed = jobs.filter(job => job.phase === 'ERROR').length;
    const message = failed
      ? trans.__('%1 jobs have ended, %2 of them with an error', `${jobs.length}`, `${failed}`)
      : trans.__('%1 jobs are done', `${jobs.length}`);
    return [{ message, failed: failed > 0, job: null }];
  }
  return jobs.map(job => {
    const failed = job.phase === 'ERROR';
    const words = failed ? trans.__('%1 has failed: %2', nameOf(job), job.message) : trans.__('%1 is done', nameOf(job));
    const message = words.length > LONGEST ? `${words.slice(0, LONGEST - 1)}…` : words;
    return { message, failed, job };
  });
}

/** Where notices are seen. */
export interface IBoard {
  /** The id of what is shown now. */
  show(notice: INotice): string;
  /** In place of what has this id; a new one where that is gone. */
  replace(id: string, notice: INotice): string;
  hide(id: string): void;
}

/**
 * Tell of every end from now on. Where more jobs end one after the other than are told each by its own, as those of a
 * grid do, one notice counts them.
 */
export function announce(activity: { readonly ended: ISignal<unknown, IJob> }, trans: TranslationBundle, board: IBoard): void {
  let gathered: IJob[] = [];
  let recent: IJob[] = [];
  let ids: string[] = [];
  let last = 0;
  const tell = (): void => {
    const now = Date.now();
    if (now - last > SHOWN) {
      [recent, ids] = [[], []];
    }
    last = now;
    const counted = recent.length > EACH;
    recent.push(...gathered);
    if (recent.length <= EACH) {
      ids.push(...notices(gathered, trans).map(notice => board.show(notice)));
    } else {
      const [count] = notices(recent, trans) as [INotice];
      const [kept] = ids;
      if (counted && kept !== undefined) {
        ids = [board.replace(kept, count)];
      } else {
        ids.forEach(id => { board.hide(id); });
        ids = [board.show(count)];
      }
    }
    gathered = [];
  };
  activity.ended.connect((_, job) => {
    gathered.push(job);
    if (gathered.length === 1) {
      setTimeout(tell, GATHER);
    }
  });
}
