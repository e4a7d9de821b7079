/**
 * The list of jobs that the panel shows: pages of it as far as was scrolled, kept up to date by the event stream.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../errors';
import { IPage, IQuery } from './api';
import { Elsewhere } from './elsewhere';
import { JobEvent, JobEvents } from './events';
import { Action, actions, IJob, IJobRef, keyOf } from './job';

/** What the list needs of the service; see `api.ts`. */
export interface IListService {
  list(query: IQuery, page: string | null, size: number): Promise<IPage>;
  run(job: IJobRef): Promise<void>;
  abort(job: IJobRef): Promise<void>;
  archive(job: IJobRef): Promise<void>;
  delete(job: IJobRef): Promise<void>;
}

/** Jobs of one page. */
export const PAGE = 200;
/** Jobs that are selected together at most. */
export const SELECTED = 10_000;
/** Milliseconds for which changes are gathered before the view is told. */
const GATHER = 60;
/** Milliseconds after which it is asked anew what QUEUED jobs wait for: no event tells that. */
const REASONS = 15000;
/** Of so many at most. */
const EXPLAINED = 20;
/** Requests of a bulk action that are under way at once. */
const AT_ONCE = 4;

export const EVERYTHING: IQuery = { phases: [], type: '', text: '', after: '', before: '', oldestFirst: false };

/** A row of the grouped list: a run id with its jobs, or one of these. */
export type Row = { readonly job: IJob } | { readonly group: string; readonly jobs: readonly IJob[] };

/** Whether a job belongs into a list; the service's own rule. */
export function matches(job: IJob, query: IQuery): boolean {
  const text = query.text.toLowerCase();
  const created = job.created?.getTime() ?? 0;
  return (
    (query.phases.length ? query.phases.includes(job.phase) : job.phase !== 'ARCHIVED') &&
    (!query.type || job.type === query.type) &&
    (!text || job.runId.toLowerCase().includes(text) || job.id.toLowerCase().includes(text)) &&
    (!query.after || created > Date.parse(query.after)) &&
    (!query.before || created < Date.parse(query.before))
  );
}

function newestFirst(one: IJob, other: IJob): number {
  const times = (other.created?.getTime() ?? 0) - (one.created?.getTime() ?? 0);
  return times || (one.id < other.id ? 1 : one.id > other.id ? -1 : 0);
}

export class JobList {
  constructor(
    private readonly _service: IListService,
    private readonly _events: JobEvents,
    private readonly _elsewhere: Elsewhere | null = null
  ) {
    _elsewhere?.changed.connect(() => {
      this._tell();
    });
    _events.events.connect((_, event) => {
      this._take(event);
    });
    _events.stateChanged.connect(() => {
      this._tell();
    });
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The jobs that were read so far, those of other services among them; null until the service has answered once. */
  get jobs(): readonly IJob[] | null {
    const own = this._jobs;
    const others = this._elsewhere?.jobs ?? [];
    if (own === null || others.length === 0) {
      return own;
    }
    const { _merged: kept, _query: query, _next: next } = this;
    if (kept.own !== own || kept.others !== others || kept.query !== query) {
      const order = query.oldestFirst ? -1 : 1;
      const last = own.at(-1);
      // what is older than the last of the own belongs beyond the pages that were read
      const fitting = others.filter(
        job => matches(job, query) && (next === null || !last || order * newestFirst(job, last) < 0)
      );
      const jobs = [...own, ...fitting].sort((one, other) => order * newestFirst(one, other));
      this._merged = { own, others, query, jobs };
    }
    return this._merged.jobs;
  }

  /** Why other services did not answer, by their titles. */
  get failures(): ReadonlyMap<string, string> {
    return this._elsewhere?.failures ?? new Map<string, string>();
  }

  get query(): IQuery {
    return this._query;
  }

  get counts(): Readonly<Record<string, number>> {
    const counts = { ...this._counts };
    for (const job of this._elsewhere?.jobs ?? []) {
      if (matches(job, { ...this._query, phases: [job.phase] })) {
        counts[job.phase] = (counts[job.phase] ?? 0) + 1;
      }
    }
    return counts;
  }

  /** The types of the jobs that match, with their numbers. */
  get types(): Readonly<Record<string, number>> {
    return this._types;
  }

  /** How many jobs of a run id match, those that were not read included. */
  sizeOf(group: string, read: readonly IJob[]): number {
    const own = Math.max(this._runs[group] ?? 0, read.filter(job => job.service === undefined).length);
    return own + read.filter(job => job.service !== undefined).length;
  }

  /** Why the service does not answer; null when it does. */
  get error(): string | null {
    return this._error ?? this._events.error;
  }

  get loading(): boolean {
    return this._loading;
  }

  /** Whether there are jobs beyond those that were read. */
  get hasMore(): boolean {
    return this._next !== null;
  }

  get selected(): readonly IJob[] {
    return (this.jobs ?? []).filter(job => this._selected.has(keyOf(job)));
  }

  get grouped(): boolean {
    return this._grouped;
  }

  get visible(): boolean {
    return this._visible;
  }

  /** While hidden nothing is asked for, and no clock ticks; what changed meanwhile is shown, or read, afterwards. */
  setVisible(visible: boolean): void {
    this._visible = visible;
    this._changed.emit();
    this._elsewhere?.setVisible(visible);
    clearInterval(this._reasons);
    if (visible) {
      this._reasons = setInterval(() => void this._explain(), REASONS);
    }
    if (visible && this._stale) {
      void this.refresh();
    }
  }

  setQuery(change: Partial<IQuery>): void {
    this._query = { ...this._query, ...change };
    this._selected.clear();
    void this.refresh();
  }

  /** Read the list anew, as far as it had been read, up to a page. */
  async refresh(): Promise<void> {
    this._stale = false;
    await this._load(null);
  }

  /** Read the next page; at the end of the list, and while one is read, nothing. */
  async more(): Promise<void> {
    if (this._next !== null && !this._loading) {
      await this._load(this._next);
    }
  }

  isSelected(job: IJobRef): boolean {
    return this._selected.has(keyOf(job));
  }

  select(jobs: readonly IJobRef[], selected: boolean): void {
    for (const job of jobs) {
      if (selected) {
        this._selected.add(keyOf(job));
      } else {
        this._selected.delete(keyOf(job));
      }
    }
    this._changed.emit();
  }

  /** Select all jobs that match, those that were not read yet included, up to `SELECTED`. */
  async selectAll(): Promise<void> {
    const { _query: query } = this;
    for (let next = this._next; next !== null && (this._jobs?.length ?? 0) < SELECTED; next = this._next) {
      await this._load(next);
      if (this._query !== query || this.error !== null) {
        return;
      }
    }
    this.select((this.jobs ?? []).slice(0, SELECTED), true);
  }

  setGrouped(grouped: boolean): void {
    this._grouped = grouped;
    this._changed.emit();
  }

  toggleGroup(group: string): void {
    if (!this._folded.delete(group)) {
      this._folded.add(group);
    }
    this._changed.emit();
  }

  isFolded(group: string): boolean {
    return this._folded.has(group);
  }

  /** What is shown line by line: the jobs, or groups of those with the same run id where the first of them stands. */
  rows(): Row[] {
    const jobs = this.jobs ?? [];
    if (!this._grouped) {
      return jobs.map(job => ({ job }));
    }
    const groups = new Map<string, IJob[]>();
    for (const job of jobs) {
      const group = groups.get(job.runId) ?? [];
      group.push(job);
      groups.set(job.runId, group);
    }
    return [...groups].flatMap(([group, members]): Row[] => [
      { group, jobs: members },
      ...(this._folded.has(group) ? [] : members.map(job => ({ job })))
    ]);
  }

  /** Act on those of the jobs whose phase allows it; rejects with the first refusal, and how many there were. */
  async act(action: Action, jobs: readonly IJob[]): Promise<void> {
    const waiting = jobs.filter(job => actions(job.phase, job.service).includes(action));
    const refused: string[] = [];
    const worker = async (): Promise<void> => {
      for (let job = waiting.shift(); job; job = waiting.shift()) {
        try {
          await this._service[action](job);
          this._selected.delete(keyOf(job));
        } catch (error) {
          refused.push(messageOf(error));
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    if (jobs.some(job => job.service !== undefined)) {
      await this._elsewhere?.refresh();
    }
    this._changed.emit();
    if (refused.length) {
      throw new Error(refused.length > 1 ? `${refused[0] ?? ''} (and ${refused.length - 1} more)` : refused[0]);
    }
  }

  private async _load(page: string | null): Promise<void> {
    const turn = ++this._turn;
    this._loading = true;
    this._changed.emit();
    try {
      const found = await this._service.list(this._query, page, PAGE);
      if (turn !== this._turn) {
        return; // another query was asked meanwhile
      }
      const kept = page === null ? [] : (this._jobs ?? []);
      const known = new Set(kept.map(keyOf));
      this._jobs = [...kept, ...found.jobs.filter(job => !known.has(keyOf(job)))];
      this._next = found.next;
      this._counts = found.counts ?? this._counts;
      this._types = found.types ?? this._types;
      this._runs = found.runs ?? this._runs;
      this._error = null;
    } catch (error) {
      if (turn === this._turn) {
        this._error = messageOf(error);
      }
    } finally {
      if (turn === this._turn) {
        this._loading = false;
        this._changed.emit();
      }
    }
  }

  private async _explain(): Promise<void> {
    const queued = (this._jobs ?? []).filter(job => job.phase === 'QUEUED');
    if (queued.length === 0 || this.error !== null || document.hidden) {
      return;
    }
    try {
      const found = await this._service.list({ ...this._query, phases: ['QUEUED'] }, null, EXPLAINED);
      found.jobs.forEach(job => {
        this._put(job);
      });
    } catch {
      // the stream tells when the service is away
    }
  }

  private _take(event: JobEvent): void {
    switch (event.kind) {
      case 'reset':
        this._stale = true;
        if (this._visible) {
          void this.refresh();
        }
        break;
      case 'job':
        this._put(event.job);
        break;
      case 'deleted':
        this._drop(event.job);
        break;
      case 'ready':
        break;
    }
  }

  private _put(job: IJob): void {
    if (this._jobs === null) {
      return;
    }
    const place = this._jobs.findIndex(each => each.id === job.id && each.type === job.type);
    const before = place < 0 ? undefined : this._jobs[place];
    if (!matches(job, this._query)) {
      this._drop(job);
      return;
    }
    if (before) {
      // where it stands in the queue is told by the list only
      const message = job.message || (before.phase === job.phase ? before.message : '');
      this._jobs = [...this._jobs.slice(0, place), { ...job, message }, ...this._jobs.slice(place + 1)];
      this._recount(before.phase, job.phase);
    } else {
      const order = this._query.oldestFirst ? -1 : 1;
      const after = this._jobs.findIndex(each => order * newestFirst(job, each) < 0);
      if (after < 0 && this._next !== null) {
        return; // it belongs to a page that was not read
      }
      const at = after < 0 ? this._jobs.length : after;
      this._jobs = [...this._jobs.slice(0, at), job, ...this._jobs.slice(at)];
      this._recount(null, job.phase);
      this._retally(job, 1);
    }
    this._tell();
  }

  private _drop(job: IJobRef): void {
    const gone = this._jobs?.find(each => keyOf(each) === keyOf(job));
    if (gone && this._jobs) {
      this._jobs = this._jobs.filter(each => each !== gone);
      this._selected.delete(keyOf(job));
      this._recount(gone.phase, null);
      this._retally(gone, -1);
      this._tell();
    }
  }

  private _recount(from: string | null, to: string | null): void {
    const counts = { ...this._counts };
    if (from) {
      counts[from] = Math.max(0, (counts[from] ?? 0) - 1);
    }
    if (to) {
      counts[to] = (counts[to] ?? 0) + 1;
    }
    this._counts = counts;
  }

  private _retally({ type, runId }: IJob, step: 1 | -1): void {
    this._types = { ...this._types, [type]: Math.max(0, (this._types[type] ?? 0) + step) };
    this._runs = { ...this._runs, [runId]: Math.max(0, (this._runs[runId] ?? 0) + step) };
  }

  private _tell(): void {
    this._timer ??= setTimeout(() => {
      this._timer = null;
      if (this._visible) {
        this._changed.emit();
      }
    }, GATHER);
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _selected = new Set<string>();
  private readonly _folded = new Set<string>();
  private _jobs: readonly IJob[] | null = null;
  private _merged: { own?: readonly IJob[]; others?: readonly IJob[]; query?: IQuery; jobs: readonly IJob[] } = { jobs: [] };
  private _query = EVERYTHING;
  private _counts: Readonly<Record<string, number>> = {};
  private _types: Readonly<Record<string, number>> = {};
  private _runs: Readonly<Record<string, number>> = {};
  private _next: string | null = null;
  private _error: string | null = null;
  private _loading = false;
  private _grouped = false;
  private _visible = false;
  private _stale = true;
  private _turn = 0;
  private _reasons: ReturnType<typeof setInterval> | undefined;
  private _timer: ReturnType<typeof setTimeout> | null = null;
}
