/**
 * The jobs that are not over, from the event stream alone: what the status bar counts, and which have just ended.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { JobEvents, JobEvent } from './events';
import { hasEnded, IJob, IJobRef, isActive, keyOf } from './job';

/** After a break, of so many jobs that are not active any more it is asked how they ended. */
const ASKED = 20;

export interface ICounts {
  readonly running: number;
  readonly queued: number;
  /** Whether there are more than the service has told. */
  readonly more: boolean;
}

export class Activity {
  constructor(
    events: JobEvents,
    private readonly _read: (job: IJobRef) => Promise<IJob>
  ) {
    events.events.connect((_, event) => {
      this._take(event);
    });
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted with every job that was active and has ended by itself. */
  get ended(): ISignal<this, IJob> {
    return this._ended;
  }

  get counts(): ICounts {
    let running = 0;
    for (const job of this._active.values()) {
      running += job.phase === 'EXECUTING' ? 1 : 0;
    }
    return { running, queued: this._active.size - running, more: this._more };
  }

  private _take(event: JobEvent): void {
    switch (event.kind) {
      case 'reset':
        this._before = new Map([...(this._before ?? []), ...this._active]);
        this._active.clear();
        return;
      case 'ready':
        this._more = !event.complete;
        void this._settle(this._before ?? new Map<string, IJob>());
        this._before = null;
        break;
      case 'job':
        this._job(event.job);
        break;
      case 'deleted':
        this._active.delete(keyOf(event.job));
    }
    this._changed.emit();
  }

  private _job(job: IJob): void {
    const key = keyOf(job);
    if (isActive(job.phase)) {
      this._active.set(key, job);
    } else if (this._active.delete(key) && hasEnded(job.phase)) {
      this._end(job);
    }
  }

  private async _settle(before: Map<string, IJob>): Promise<void> {
    const lost = [...before].filter(([key]) => !this._active.has(key)).slice(0, ASKED);
    for (const [, job] of lost) {
      try {
        const now = await this._read(job);
        if (hasEnded(now.phase)) {
          this._end(now);
        }
      } catch {
        // it was deleted meanwhile
      }
    }
  }

  private _end(job: IJob): void {
    if (job.phase !== 'ABORTED' && job.phase !== 'ARCHIVED') {
      this._ended.emit(job);
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _ended = new Signal<this, IJob>(this);
  private readonly _active = new Map<string, IJob>();
  private _before: Map<string, IJob> | null = null;
  private _more = false;
}
