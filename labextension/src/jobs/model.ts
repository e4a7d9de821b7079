/**
 * The user's UWS jobs: what the documents of UWS 1.1 say, and the state that the panel shows.
 * No user interface and no HTTP in here.
 */
import { ISignal, Signal } from '@lumino/signaling';

/** What a job list says of a job (UWS 1.1, section 2.2.2.1). */
export interface IJobRef {
  readonly id: string;
  /** The job list it belongs to, taken from its URL: `.../uws/<type>/<id>`. */
  readonly type: string;
  /** One of the ten phases of UWS 1.1; kept as text, for a newer service may know more. */
  readonly phase: string;
  readonly runId: string | null;
  readonly created: Date | null;
}

/** What only the job's own document says. */
export interface IJobDetail {
  /** 0..1, or null where the job has not told. */
  readonly progress: number | null;
  /** What the job is doing; of a job that failed, why. */
  readonly message: string;
}

export type Job = IJobRef & IJobDetail;

/** What the model needs of the service; see `api.ts`. Every method rejects with a readable error. */
export interface IJobService {
  list(): Promise<string>;
  document(job: IJobRef): Promise<string>;
  abort(job: IJobRef): Promise<void>;
  delete(job: IJobRef): Promise<void>;
}

const NAMESPACE = 'http://www.ivoa.net/xml/UWS/v1.0';
const XLINK = 'http://www.w3.org/1999/xlink';
const ENDED = new Set(['COMPLETED', 'ERROR', 'ABORTED', 'ARCHIVED']);
const NO_DETAIL: IJobDetail = { progress: null, message: '' };

/** Whether nothing more happens to a job by itself: it can be deleted, not aborted. */
export function hasEnded(phase: string): boolean {
  return ENDED.has(phase);
}

function parse(xml: string, root: string): Element {
  const element = new DOMParser().parseFromString(xml, 'application/xml').documentElement;
  if (element.localName !== root || element.namespaceURI !== NAMESPACE) {
    throw new Error(`The service did not answer with a UWS document (<uws:${root}>): ${xml.slice(0, 80)}`);
  }
  return element;
}

function text(parent: Element, name: string): string | null {
  const found = parent.getElementsByTagNameNS(NAMESPACE, name)[0];
  return found?.textContent?.trim() || null;
}

function time(value: string | null): Date | null {
  const date = new Date(value ?? NaN);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** The jobs of a `<uws:jobs>` document, in its order; throws where the text is none. */
export function parseJobs(xml: string): IJobRef[] {
  const refs = Array.from(parse(xml, 'jobs').getElementsByTagNameNS(NAMESPACE, 'jobref'));
  return refs.map(ref => {
    const path = (ref.getAttributeNS(XLINK, 'href') ?? '').replace(/[?#].*$/, '').split('/');
    return {
      id: ref.getAttribute('id') ?? '',
      type: path.at(-2) ?? '',
      phase: text(ref, 'phase') ?? 'UNKNOWN',
      runId: text(ref, 'runId'),
      created: time(text(ref, 'creationTime'))
    };
  });
}

/** Progress and message of a `<uws:job>` document; throws where the text is none. */
export function parseDetail(xml: string): IJobDetail {
  const job = parse(xml, 'job');
  const info = job.getElementsByTagNameNS(NAMESPACE, 'jobInfo')[0];
  const said = (name: string): string =>
    Array.from(info?.children ?? []).find(child => child.localName === name)?.textContent?.trim() ?? '';
  const progress = said('progress') === '' ? NaN : Number(said('progress'));
  const error = job.getElementsByTagNameNS(NAMESPACE, 'errorSummary')[0];
  return {
    progress: Number.isFinite(progress) ? Math.min(Math.max(progress, 0), 1) : null,
    message: (error && text(error, 'message')) ?? said('message')
  };
}

/** The time of day for today's jobs, the date for older ones; local time. */
export function formatCreated(created: Date | null, now: Date = new Date()): string {
  if (created === null) {
    return '';
  }
  return created.toDateString() === now.toDateString()
    ? created.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    : created.toLocaleDateString([], { day: 'numeric', month: 'short' });
}

/** The live list. `changed` is emitted after every change of what the getters return. */
export class JobsModel {
  constructor(private readonly _service: IJobService) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The jobs, newest first; null until the service has answered once. */
  get jobs(): readonly Job[] | null {
    return this._jobs;
  }

  /** Why the last refresh failed; null when it did not. */
  get error(): string | null {
    return this._error;
  }

  /** Read the list anew. Rejects as well as telling in `error`, for polls to slow down. */
  async refresh(): Promise<void> {
    try {
      const refs = parseJobs(await this._service.list());
      const jobs = await Promise.all(refs.map(async ref => ({ ...ref, ...(await this._detail(ref)) })));
      this._set(jobs, null);
    } catch (error) {
      this._set(this._jobs, error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  async abort(job: IJobRef): Promise<void> {
    await this._service.abort(job);
    await this.refresh();
  }

  async delete(job: IJobRef): Promise<void> {
    await this._service.delete(job);
    await this.refresh();
  }

  /** Running jobs are asked each time; of failed ones the reason is asked once and kept. */
  private async _detail(ref: IJobRef): Promise<IJobDetail> {
    const known = this._jobs?.find(job => job.id === ref.id && job.phase === ref.phase);
    if (ref.phase === 'ERROR' && known?.message) {
      return { progress: null, message: known.message };
    }
    if (ref.phase !== 'EXECUTING' && ref.phase !== 'ERROR') {
      return NO_DETAIL;
    }
    try {
      return parseDetail(await this._service.document(ref));
    } catch {
      return NO_DETAIL; // deleted since the list was made; the next list says so
    }
  }

  private _set(jobs: readonly Job[] | null, error: string | null): void {
    this._jobs = jobs;
    this._error = error;
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _jobs: readonly Job[] | null = null;
  private _error: string | null = null;
}
