/**
 * A job as the service tells of it in JSON, its phases, and how times and sizes are written.
 * No user interface and no HTTP in here.
 */

/** Which job: its type's list and its id there. */
export interface IJobRef {
  readonly id: string;
  /** Of a remote job, the path between its service and its id, which may be empty. */
  readonly type: string;
  /** The name of the remote service that has it; absent for the user's own. */
  readonly service?: string;
}

/** What a list, and every event, says of a job. */
export interface IJob extends IJobRef {
  /** One of the ten phases of UWS 1.1; kept as text, for a newer service may know more. */
  readonly phase: string;
  readonly runId: string;
  readonly created: Date | null;
  readonly started: Date | null;
  readonly ended: Date | null;
  readonly destruction: Date | null;
  /** 0..1, or null where the job has not told. */
  readonly progress: number | null;
  /** What the job is doing; of a job that failed, why; of one that waits, what for. */
  readonly message: string;
  readonly results: number;
}

/** A file that a job has written. `size` in bytes. */
export interface IResult {
  readonly name: string;
  readonly path: string;
  readonly content_type: string;
  readonly size: number | null;
  readonly sha256: string | null;
  readonly description: string;
  /** Of a remote job: the path below its service, or the URL of what is not below it. */
  readonly below?: readonly string[] | null;
  readonly elsewhere?: string;
}

/** A result and where its bytes are. */
export interface IResultFile {
  readonly result: IResult;
  /** Where it can be downloaded. */
  readonly url: string;
  /** What an `img` can show. */
  readonly picture: () => Promise<string>;
  /** Its bytes first..last, both included. */
  readonly range: (first: number, last: number) => Promise<Response>;
}

/** A file that was given for a parameter. */
export interface IUpload {
  readonly filename: string;
  readonly size: number;
  readonly sha256: string;
  readonly source: string | null;
}

/** What only the job's own document says. */
export interface IJobDocument extends IJob {
  readonly owner: string;
  readonly run: number;
  /** Seconds of wall time; 0 for no limit. */
  readonly executionDuration: number;
  /** Bytes of its files, as far as that is known. */
  readonly disk: number;
  readonly info: Readonly<Record<string, unknown>>;
  readonly parameters: Readonly<Record<string, readonly string[]>>;
  readonly uploads: Readonly<Record<string, readonly IUpload[]>>;
  readonly resultFiles: readonly IResult[];
  readonly hasDetail: boolean;
}

export const PHASES = [
  'PENDING',
  'HELD',
  'QUEUED',
  'EXECUTING',
  'SUSPENDED',
  'UNKNOWN',
  'COMPLETED',
  'ERROR',
  'ABORTED',
  'ARCHIVED'
] as const;

/** What of a job's phase an action needs. */
const ENDED = new Set(['COMPLETED', 'ERROR', 'ABORTED', 'ARCHIVED']);
const IN_HAND = new Set(['QUEUED', 'EXECUTING', 'SUSPENDED', 'UNKNOWN', 'HELD']);

/** Whether nothing more happens to a job by itself. */
export function hasEnded(phase: string): boolean {
  return ENDED.has(phase);
}

/** Whether an executor has the job in hand, or will have. */
export function isActive(phase: string): boolean {
  return IN_HAND.has(phase);
}

export type Action = 'run' | 'abort' | 'archive' | 'delete';

/** What can be done with a job of this phase; other services know no archive. */
export function actions(phase: string, service?: string): Action[] {
  if (phase === 'PENDING') {
    return ['run', 'delete'];
  }
  if (!hasEnded(phase)) {
    return ['abort'];
  }
  return phase === 'ARCHIVED' || service !== undefined ? ['delete'] : ['archive', 'delete'];
}

export function keyOf(job: IJobRef): string {
  return `${job.service === undefined ? '' : `${job.service}:`}${job.type}/${job.id}`;
}

/** What says which job it is, and no more. */
export function refOnly({ type, id, service }: IJobRef): IJobRef {
  return service ? { type, id, service } : { type, id };
}

/** Its type, with its service where that is another. */
export function typeOf({ service, type }: IJobRef): string {
  return service === undefined ? type : [service, type].filter(Boolean).join(' · ');
}

/** How people call a job. */
export function nameOf(job: IJob): string {
  return `${typeOf(job)} ${job.runId || job.id}`;
}

type Json = Readonly<Record<string, unknown>>;

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function time(value: unknown): Date | null {
  const date = new Date(text(value) || NaN);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** A job of a list or of an event. */
export function readJob(json: Json): IJob {
  const phase = text(json.phase) || 'UNKNOWN';
  const progress = typeof json.progress === 'number' && phase === 'EXECUTING' ? json.progress : null;
  const said = phase === 'EXECUTING' ? text(json.message) : phase === 'QUEUED' ? waits(json) : '';
  return {
    id: text(json.job_id),
    type: text(json.job_type),
    phase,
    runId: text(json.run_id),
    created: time(json.creation_time),
    started: time(json.start_time),
    ended: time(json.end_time),
    destruction: time(json.destruction),
    progress: progress === null ? null : Math.min(Math.max(progress, 0), 1),
    message: text(json.error) || said,
    results: typeof json.results === 'number' ? json.results : 0
  };
}

function waits(json: Json): string {
  const before = Number(json.queue_position ?? 0);
  const reason = text(json.waits_for) && `waits for ${text(json.waits_for)}`;
  return [reason, before > 0 && `${before} before it`].filter(Boolean).join(', ');
}

/** A job's own document. */
export function readDocument(json: Json): IJobDocument {
  const info = (json.info ?? {}) as Json;
  const error = json.error as { message: string; has_detail: boolean } | null;
  const results = json.results as readonly IResult[];
  return {
    ...readJob({ ...info, ...json, error: error?.message, results: results.length }),
    owner: text(json.owner),
    run: Number(json.run),
    executionDuration: Number(json.execution_duration),
    disk: Number(json.disk),
    info,
    parameters: json.parameters as IJobDocument['parameters'],
    uploads: json.uploads as IJobDocument['uploads'],
    resultFiles: results,
    hasDetail: error?.has_detail ?? false
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

/** `4.2 s`, `3 min 05 s`, `2 h 07 min`, `3 d 4 h`. */
export function formatDuration(seconds: number): string {
  const pad = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 60) {
    return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min ${pad(Math.floor(seconds % 60))} s`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${pad(minutes % 60)} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long a job has been running, or ran; empty where it did not. */
export function elapsed(job: IJob, now: Date = new Date()): string {
  const end = job.ended ?? (hasEnded(job.phase) ? null : now);
  return job.started && end ? formatDuration(Math.max(0, (end.getTime() - job.started.getTime()) / 1000)) : '';
}

/** `812 B`, `4.1 kB`, `12 MB`: decimal prefixes. */
export function formatSize(bytes: number | null): string {
  if (bytes === null) {
    return '';
  }
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${power > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[power] ?? ''}`;
}
