/**
 * The jobs of remote services. These have no event stream: their lists are read while somebody looks, again only
 * while one of the jobs is active.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../errors';
import { IRemote } from '../http';
import { hasEnded, IJob } from './job';

/** What is needed of the service; see `api.ts`. */
export interface IRemoteLists {
  remotes(): Promise<IRemote[]>;
  jobsOf(remote: IRemote): Promise<IJob[]>;
}

/** Milliseconds between two looks. */
const LOOK = 5000;

export class Elsewhere {
  constructor(private readonly _service: IRemoteLists) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get jobs(): readonly IJob[] {
    return this._jobs;
  }

  /** Of each service that did not answer: its title, and why. */
  get failures(): ReadonlyMap<string, string> {
    return this._failures;
  }

  setVisible(visible: boolean): void {
    this._visible = visible;
    clearTimeout(this._timer);
    if (visible) {
      void this.refresh();
    }
  }

  /** Read the lists. Never rejects: `failures` tells. */
  async refresh(): Promise<void> {
    clearTimeout(this._timer);
    const turn = ++this._turn;
    try {
      this._remotes ??= await this._service.remotes();
    } catch {
      return; // the list of the own jobs tells that the service is away
    }
    const read = await Promise.allSettled(this._remotes.map(remote => this._service.jobsOf(remote)));
    if (turn !== this._turn) {
      return;
    }
    const failures = new Map<string, string>();
    this._jobs = read.flatMap((outcome, at): readonly IJob[] => {
      const remote = this._remotes?.[at];
      if (outcome.status === 'fulfilled') {
        return outcome.value;
      }
      failures.set(remote?.title ?? '', messageOf(outcome.reason));
      return this._jobs.filter(job => job.service === remote?.name); // as they were
    });
    this._failures = failures;
    this._changed.emit();
    if (this._visible && this._jobs.some(job => !hasEnded(job.phase) && job.phase !== 'PENDING')) {
      clearTimeout(this._timer);
      this._timer = setTimeout(() => void this.refresh(), LOOK);
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private _jobs: readonly IJob[] = [];
  private _failures: ReadonlyMap<string, string> = new Map();
  private _remotes: IRemote[] | null = null;
  private _visible = false;
  private _turn = 0;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
