/**
 * The page's one event stream over all jobs of the user (server-sent events, WHATWG HTML section 9.2).
 */
import { ISignal, Signal } from '@lumino/signaling';

import { IEventSource } from '../transport';
import { IJob, IJobRef, readJob } from './job';

/** `reset`: what is known may be out of date; `ready`: all jobs that are not over were told, if `complete`. */
export type JobEvent =
  | { readonly kind: 'reset' }
  | { readonly kind: 'ready'; readonly complete: boolean }
  | { readonly kind: 'job'; readonly job: IJob }
  | { readonly kind: 'deleted'; readonly job: IJobRef };

/** Milliseconds until a stream that was refused is asked for again, growing up to the second. */
const RETRY = 2000;
const RETRY_MAX = 30000;
const CLOSED = 2;

/**
 * Follows the stream from `start` on and comes back whenever it breaks.
 *
 * A browser comes back by itself when a stream breaks off, and never when the service refuses it: then `why` asks
 * for the reason.
 */
export class JobEvents {
  constructor(
    private readonly _open: () => IEventSource,
    private readonly _why: () => Promise<string>
  ) {}

  get events(): ISignal<this, JobEvent> {
    return this._events;
  }

  /** Emitted when `connected` or `error` changes. */
  get stateChanged(): ISignal<this, void> {
    return this._stateChanged;
  }

  get connected(): boolean {
    return this._connected;
  }

  /** Why there is no stream now; null while there is one, or before the first. */
  get error(): string | null {
    return this._error;
  }

  start(): void {
    if (this._source === null && !this._disposed) {
      this._connect();
    }
  }

  /** Do not wait for the next attempt. */
  retry(): void {
    if (!this._connected && !this._disposed) {
      this._source?.close();
      this._connect();
    }
  }

  dispose(): void {
    this._disposed = true;
    clearTimeout(this._timer);
    this._source?.close();
    Signal.clearData(this);
  }

  private _connect(): void {
    clearTimeout(this._timer);
    const source = (this._source = this._open());
    const listen = (type: string, make: (data: Record<string, unknown>) => JobEvent): void => {
      source.addEventListener(type, event => {
        this._events.emit(make(JSON.parse(event.data) as Record<string, unknown>));
      });
    };
    listen('reset', () => ({ kind: 'reset' }));
    listen('ready', data => ({ kind: 'ready', complete: data.complete === true }));
    listen('job', data => ({ kind: 'job', job: readJob(data) }));
    listen('deleted', data => ({ kind: 'deleted', job: { id: String(data.job_id), type: String(data.job_type) } }));
    source.onopen = () => {
      this._delay = RETRY;
      this._tell(true, null);
    };
    source.onerror = () => void this._lost(source);
  }

  private async _lost(source: IEventSource): Promise<void> {
    if (source.readyState === CLOSED) {
      clearTimeout(this._timer);
      this._timer = setTimeout(() => {
        this._connect();
      }, this._delay);
      this._delay = Math.min(2 * this._delay, RETRY_MAX);
    }
    this._connected = false;
    const reason = await this._why();
    if (this._source === source && !this.connected && !this._disposed) {
      this._tell(false, reason);
    }
  }

  private _tell(connected: boolean, error: string | null): void {
    this._connected = connected;
    this._error = error;
    this._stateChanged.emit();
  }

  private readonly _events = new Signal<this, JobEvent>(this);
  private readonly _stateChanged = new Signal<this, void>(this);
  private _source: IEventSource | null = null;
  private _connected = false;
  private _error: string | null = null;
  private _delay = RETRY;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _disposed = false;
}
