/**
 * What the views need of whoever shows them, in JupyterLab or elsewhere.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { messageOf } from '../errors';
import { INewJob } from './form';
import { Action, IJob, IJobRef, IResult } from './job';
import { question } from './questions';

export interface IQuestion {
  readonly title: string;
  readonly body: string;
  readonly accept: string;
}

export interface IHost {
  readonly trans: TranslationBundle;
  openJob(job: IJobRef): void;
  openNewJob(asked: INewJob): void;
  openResult(job: IJobRef, result: IResult): void;
  openCluster(): void;
  compare(jobs: readonly IJobRef[]): void;
  /** Put code into the notebook at hand, or into a new one. */
  insertCode(code: string): Promise<void>;
  copy(text: string): void;
  confirm(question: IQuestion): Promise<boolean>;
  /** Tell of something that went wrong. */
  complain(sentence: string): void;
  /** Keep a notebook that a job made where the host keeps notebooks, and open it; null where the host has no such place. */
  readonly openNotebook: ((name: string, content: string) => Promise<void>) | null;
  /** What the place is called that `pickFile` takes files from. */
  readonly files: string;
  /** A file of those that the host keeps, or null where none was chosen. */
  pickFile(): Promise<File | null>;
}

/** Act, and complain where that fails. */
export function attempt(host: IHost, act: () => Promise<unknown>): void {
  act().catch((error: unknown) => {
    host.complain(messageOf(error));
  });
}

/** Ask where it cannot be undone, then act. */
export async function confirmed(
  host: IHost,
  action: Action,
  jobs: readonly IJob[],
  act: () => Promise<void>
): Promise<void> {
  const asked = question(action, jobs, host.trans);
  if (asked === null || (await host.confirm(asked))) {
    await act();
  }
}
