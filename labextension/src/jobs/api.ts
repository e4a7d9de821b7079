/**
 * The UWS service: the JSON of its job lists, its files and its cluster.
 * Every method rejects with a readable sentence.
 */
import { IRemote, readRemotes, request } from '../http';
import { ITransport } from '../transport';
import { ICluster } from './cluster';
import { IJobType } from './description';
import { IJob, IJobDocument, IJobRef, IResult, IResultFile, readDocument, readJob } from './job';
import { IProvenance, readProvenance } from './provenance';
import { readJobs, readJobXml, referenced } from './uwsxml';

/** The filters of a list; empty ones are left out. Times are ISO 8601. */
export interface IQuery {
  readonly phases: readonly string[];
  readonly type: string;
  /** In the run id or the id, in any case. */
  readonly text: string;
  readonly after: string;
  readonly before: string;
  readonly oldestFirst: boolean;
}

export interface IPage {
  readonly jobs: readonly IJob[];
  /** What asks for the next page; null with the last one. */
  readonly next: string | null;
  /** How many jobs match in each phase, whatever phases are asked for; with the first page only. */
  readonly counts: Readonly<Record<string, number>> | null;
  /** How many of all that match there are of each type and run id; with the first page only. */
  readonly types?: Readonly<Record<string, number>>;
  readonly runs?: Readonly<Record<string, number>>;
}

/** A piece of a log; `end` is the offset in bytes to go on from. */
export interface ILogPart {
  readonly bytes: Uint8Array;
  readonly end: number;
}

/** Jobs of another service that are listed. */
const REMOTE_JOBS = 200;

export type Stream = 'stdout' | 'stderr';

type Json = Readonly<Record<string, unknown>>;

export class JobService {
  constructor(private readonly _transport: ITransport) {}

  async list(query: IQuery, page: string | null, size: number): Promise<IPage> {
    const form = new URLSearchParams({ LAST: String(size) });
    query.phases.forEach(phase => {
      form.append('PHASE', phase);
    });
    const more = { TEXT: query.text, AFTER: query.after, BEFORE: query.before, PAGE: page ?? '', TALLY: page === null ? '1' : '' };
    for (const [name, value] of Object.entries(more)) {
      if (value) {
        form.set(name, value);
      }
    }
    if (query.oldestFirst) {
      form.set('ORDER', 'oldest');
    }
    const path = query.type ? listPath(query.type) : ['uws'];
    const json = await this._json(path, {}, `?${form.toString()}`);
    const jobs = json.jobs as Json[];
    return { ...(json as unknown as IPage), counts: (json.counts as IPage['counts']) ?? null, jobs: jobs.map(readJob) };
  }

  async document(job: IJobRef): Promise<IJobDocument> {
    if (job.service !== undefined) {
      return readJobXml(await this._xml(jobPath(job)), await this._remote(job.service), job.type);
    }
    return readDocument(await this._json(jobPath(job)));
  }

  /** What a job of the own service was made from, and what was made of it. */
  async provenance(job: IJobRef): Promise<IProvenance> {
    return readProvenance(await this._json([...jobPath(job), 'provenance']), job);
  }

  /** The UWS services of others that the operator named. */
  async remotes(): Promise<IRemote[]> {
    return (await readRemotes(this._transport)).filter(remote => remote.kind === 'uws');
  }

  /** The newest jobs of one of them. */
  async jobsOf(remote: IRemote): Promise<IJob[]> {
    return readJobs(await this._xml(['remote', remote.name], `?LAST=${REMOTE_JOBS}`), remote);
  }

  /** Return when a remote job has left a phase, or after half a minute (UWS 1.1, section 2.2.1.1). */
  async wait(job: IJobRef, phase: string): Promise<void> {
    await this._xml(jobPath(job), `?WAIT=30&PHASE=${encodeURIComponent(phase)}`);
  }

  /** Run a remote job once more, as another job. Rejects where a parameter was a file. */
  async repeat(job: IJobDocument): Promise<IJobRef> {
    const files = referenced(await this._xml(jobPath(job)));
    if (files.length > 0) {
      throw new Error(`${files.join(', ')}: a file was given, and another service does not give it back`);
    }
    const form = new URLSearchParams({ PHASE: 'RUN' });
    for (const [name, values] of Object.entries(job.parameters)) {
      values.forEach(value => {
        form.append(name, value);
      });
    }
    if (job.runId) {
      form.set('RUNID', job.runId);
    }
    const answer = await this._post(jobPath(job).slice(0, -1), form);
    const { id } = readJobXml(await answer.text(), await this._remote(job.service ?? ''), job.type);
    return { id, type: job.type, ...(job.service === undefined ? {} : { service: job.service }) };
  }

  /** All job types that can be started by a form. */
  async types(): Promise<IJobType[]> {
    return (await this._json(['uws', 'types'])).types as IJobType[];
  }

  /** The names of the user's baskets of runs. */
  async baskets(): Promise<string[]> {
    const found = (await this._json(['baskets'])).baskets as { readonly name: string }[];
    return found.map(basket => basket.name);
  }

  /** The runs in a basket, each an obs_publisher_did. */
  async basket(name: string): Promise<string[]> {
    return (await this._json(['baskets', name])).obs_publisher_dids as string[];
  }

  /** Make a job, with `PHASE=RUN` among the values to start it. */
  async create(type: string, values: FormData): Promise<IJobDocument> {
    return readDocument((await (await this._post(listPath(type), values)).json()) as Json);
  }

  /** The files that a job was given, by parameter. */
  async files(job: IJobRef): Promise<Map<string, File[]>> {
    const found = new Map<string, File[]>();
    for (const [name, uploads] of Object.entries((await this.document(job)).uploads)) {
      const files = uploads.map(async ({ filename }, at) => {
        const path = [...jobPath(job), 'parameters', name];
        const blob = await (await this._request(path, {}, `?ITEM=${at + 1}`)).blob();
        return new File([blob], filename, { type: blob.type });
      });
      found.set(name, await Promise.all(files));
    }
    return found;
  }

  async run(job: IJobRef): Promise<void> {
    await this._post([...jobPath(job), 'phase'], new URLSearchParams({ PHASE: 'RUN' }));
  }

  async abort(job: IJobRef): Promise<void> {
    await this._post([...jobPath(job), 'phase'], new URLSearchParams({ PHASE: 'ABORT' }));
  }

  async delete(job: IJobRef): Promise<void> {
    await this._request(jobPath(job), { method: 'DELETE' });
  }

  /** Let the service remove the job's files and keep its record: that is what it does at the time of destruction. */
  async archive(job: IJobRef): Promise<void> {
    await this.setDestruction(job, new Date());
  }

  async setDestruction(job: IJobRef, time: Date): Promise<void> {
    await this._post([...jobPath(job), 'destruction'], new URLSearchParams({ DESTRUCTION: time.toISOString() }));
  }

  async setExecutionDuration(job: IJobRef, seconds: string): Promise<void> {
    await this._post([...jobPath(job), 'executionduration'], new URLSearchParams({ EXECUTIONDURATION: seconds }));
  }

  /** What a job has written from an offset on (negative: its last bytes), at most `size` bytes. */
  async log(job: IJobRef, stream: Stream, from: number, size: number): Promise<ILogPart> {
    // from a byte that is there already: a range with nothing in it would be an error
    const first = Math.max(from - 1, 0);
    const range = from < 0 ? `bytes=${from}` : `bytes=${first}-${from + size - 1}`;
    const init: RequestInit = { headers: { Range: range, Accept: 'text/plain' } };
    const response = await this._transport.fetch([...jobPath(job), stream], init);
    if (!response.ok) {
      throw new Error(`The service answered ${response.status} ${response.statusText}`);
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    const start = Number(/bytes (\d+)-/.exec(response.headers.get('Content-Range') ?? '')?.[1] ?? 0);
    return { bytes: bytes.subarray(Math.max(0, from - start)), end: Math.max(from, start + bytes.length) };
  }

  /** The whole story of an error. */
  async errorDetail(job: IJobRef): Promise<string> {
    return (await this._request([...jobPath(job), 'error'], {})).text();
  }

  resultFile(job: IJobRef, result: IResult): IResultFile {
    const path = resultPath(job, result);
    const url = path ? this.url(path) : (result.elsewhere ?? '');
    const range = async (first: number, last: number): Promise<Response> => {
      if (path === null) {
        throw new Error('Another service keeps this file: it can only be downloaded.');
      }
      return this._transport.fetch(path, { headers: { Range: `bytes=${first}-${last}` } });
    };
    return { result, url, range, picture: () => this._transport.picture(url) };
  }

  async cluster(): Promise<ICluster> {
    return (await this._json(['cluster'])) as unknown as ICluster;
  }

  /** The URL of something of the service. */
  url(path: readonly string[]): string {
    return this._transport.url(path);
  }

  private async _post(path: readonly string[], body: URLSearchParams | FormData): Promise<Response> {
    // JupyterLab would call it JSON; of a FormData only the browser knows the boundary. And it would add the time to
    // the address of what may not be cached, which the service would take for a parameter
    const encoded = new Response(body);
    const headers = { 'Content-Type': encoded.headers.get('Content-Type') ?? '' };
    return this._request(path, { method: 'POST', body: await encoded.blob(), headers, cache: 'no-cache' });
  }

  private async _json(path: readonly string[], init: RequestInit = {}, query = ''): Promise<Json> {
    return (await (await this._request(path, init, query)).json()) as Json;
  }

  private async _xml(path: readonly string[], query = ''): Promise<string> {
    return (await this._request(path, { cache: 'no-cache' }, query)).text();
  }

  private async _remote(name: string): Promise<IRemote> {
    const found = (await (this._remotes ??= this.remotes())).find(remote => remote.name === name);
    if (found === undefined) {
      throw new Error(`There is no remote service '${name}' any more.`);
    }
    return found;
  }

  private _remotes: Promise<IRemote[]> | undefined;

  private _request(path: readonly string[], init: RequestInit, query = ''): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('Accept', path[0] === 'remote' ? 'text/xml, application/xml' : 'application/json');
    return request(this._transport, path, { ...init, headers }, query);
  }
}

/** Where the list of a job type is: TAP keeps its own where its clients look for it. */
function listPath(type: string): string[] {
  return type === 'tap' ? ['tap', 'async'] : ['uws', type];
}

/** Where a result is; null where that is another service's affair. */
function resultPath(job: IJobRef, { name, below }: IResult): string[] | null {
  if (job.service === undefined) {
    return [...jobPath(job), 'results', name];
  }
  return below ? ['remote', job.service, ...below] : null;
}

export function jobPath(job: IJobRef): string[] {
  if (job.service !== undefined) {
    return ['remote', job.service, ...job.type.split('/').filter(Boolean), job.id];
  }
  return [...listPath(job.type), job.id];
}
