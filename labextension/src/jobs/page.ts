/**
 * One job as its page shows it: the document, kept up to date by the event stream, its type, and its logs.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../errors';
import { ILogPart, Stream } from './api';
import { IJobType } from './description';
import { JobEvent, JobEvents } from './events';
import { Action, hasEnded, IJobDocument, IJobRef, keyOf } from './job';
import { Log } from './log';

/** What a page needs of the service; see `api.ts`. */
export interface IPageService {
  document(job: IJobRef): Promise<IJobDocument>;
  types(): Promise<IJobType[]>;
  /** Return when a remote job has left a phase, or after a bounded time. */
  wait(job: IJobRef, phase: string): Promise<void>;
  log(job: IJobRef, stream: Stream, from: number, size: number): Promise<ILogPart>;
  errorDetail(job: IJobRef): Promise<string>;
  run(job: IJobRef): Promise<void>;
  abort(job: IJobRef): Promise<void>;
  archive(job: IJobRef): Promise<void>;
  delete(job: IJobRef): Promise<void>;
  setDestruction(job: IJobRef, time: Date): Promise<void>;
  setExecutionDuration(job: IJobRef, seconds: string): Promise<void>;
}

/** Milliseconds between two looks at the log of a job that runs. */
const FOLLOW = 1000;
/** Milliseconds before a remote job is waited for again: a service may not wait at all. */
const AGAIN = 3000;

export class JobPage {
  constructor(
    private readonly _service: IPageService,
    private readonly _events: JobEvents,
    readonly ref: IJobRef
  ) {
    const log = (stream: Stream): Log => new Log((from, size) => _service.log(ref, stream, from, size));
    this.logs = { stdout: log('stdout'), stderr: log('stderr') };
    _events.events.connect(this._take);
  }

  readonly logs: Readonly<Record<Stream, Log>>;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Null until the service has answered. */
  get job(): IJobDocument | null {
    return this._job;
  }

  /** Null where the service does not know it any more. */
  get type(): IJobType | null {
    return this._type;
  }

  get error(): string | null {
    return this._error;
  }

  /** Whether the job was deleted, here or elsewhere. */
  get deleted(): boolean {
    return this._deleted;
  }

  async load(): Promise<void> {
    const [job, types] = await Promise.allSettled([this._service.document(this.ref), this._service.types()]);
    if (types.status === 'fulfilled' && this.ref.service === undefined) {
      this._type = types.value.find(type => type.name === this.ref.type) ?? null;
    }
    this._job = job.status === 'fulfilled' ? job.value : this._job;
    this._error = job.status === 'rejected' ? messageOf(job.reason) : null;
    this._deleted ||= /there is no job|was deleted|service answered 404/i.test(this._error ?? '');
    this._changed.emit();
    void this._follow();
    await this._readLogs();
  }

  get visible(): boolean {
    return this._visible;
  }

  /** While hidden, no log is read, and no clock ticks. */
  setVisible(visible: boolean): void {
    this._visible = visible;
    this._changed.emit();
    void this._follow();
    void this._readLogs();
  }

  async act(action: Action): Promise<void> {
    await this._service[action](this.ref);
    if (action !== 'delete') {
      await this.load();
    }
  }

  async setDestruction(time: Date): Promise<void> {
    await this._service.setDestruction(this.ref, time);
    await this.load();
  }

  async setExecutionDuration(seconds: string): Promise<void> {
    await this._service.setExecutionDuration(this.ref, seconds);
    await this.load();
  }

  errorDetail(): Promise<string> {
    return this._service.errorDetail(this.ref);
  }

  dispose(): void {
    this._disposed = true;
    clearTimeout(this._timer);
    clearTimeout(this._again);
    this._events.events.disconnect(this._take);
    Signal.clearData(this);
  }

  private readonly _take = (_: JobEvents, event: JobEvent): void => {
    if (event.kind === 'reset') {
      if (!this._deleted) {
        void this.load();
      }
    } else if (event.kind !== 'ready' && keyOf(event.job) === keyOf(this.ref)) {
      if (event.kind === 'deleted') {
        this._deleted = true;
        this._changed.emit();
      } else if (this._job?.phase === event.job.phase && event.job.results === this._job.results) {
        // only its progress has changed
        this._job = { ...this._job, progress: event.job.progress, message: event.job.message || this._job.message };
        this._changed.emit();
      } else {
        void this.load();
      }
    }
  };

  /** A remote service tells nothing by itself: it is asked while somebody looks and something may happen. */
  private async _follow(): Promise<void> {
    const job = this._job;
    const isOver = job === null || hasEnded(job.phase) || job.phase === 'PENDING';
    if (this.ref.service === undefined || this._following || !this._visible || this._disposed || isOver) {
      return;
    }
    this._following = true;
    try {
      await this._service.wait(this.ref, job.phase);
    } catch {
      // the job is read in any case, and tells what is wrong
    }
    clearTimeout(this._again);
    this._again = setTimeout(() => {
      this._following = false;
      if (this._visible && !this._disposed) {
        void this.load();
      }
    }, AGAIN);
  }

  private async _readLogs(): Promise<void> {
    clearTimeout(this._timer);
    const job = this._job;
    if (!this._visible || this._disposed || !job?.started || this._deleted || this._read) {
      return;
    }
    await Promise.all([this.logs.stdout.update(), this.logs.stderr.update()]);
    if (hasEnded(job.phase)) {
      this._read = this.logs.stdout.error === null && this.logs.stderr.error === null;
    } else {
      clearTimeout(this._timer);
      this._timer = setTimeout(() => void this._readLogs(), FOLLOW);
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private _job: IJobDocument | null = null;
  /** Whether the logs were read when the job had ended: nothing comes any more. */
  private _read = false;
  private _type: IJobType | null = null;
  private _error: string | null = null;
  private _deleted = false;
  private _visible = false;
  private _disposed = false;
  private _following = false;
  private _again: ReturnType<typeof setTimeout> | undefined;
  private _timer: ReturnType<typeof setTimeout> | undefined;
}
