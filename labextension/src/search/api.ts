/**
 * The archive of the service: TAP, DataLink and the list of sources.
 */
import { VotableReader } from '../grid/votable';
import { Table } from '../grid/table';
import { IRemote, readRemotes } from '../http';
import { ITransport } from '../transport';
import { INames } from './targets';

/** A query that the service refused; with the place in it, where the service tells one (both count from 1). */
export class QueryError extends Error {
  readonly line: number | null;
  readonly column: number | null;

  constructor(message: string) {
    const found = /^line (\d+), column (\d+): /.exec(message);
    super(message);
    this.line = found === null ? null : Number(found[1]);
    this.column = found === null ? null : Number(found[2]);
  }
}

export interface IRows {
  readonly table: Table;
  readonly overflow: boolean;
}

/** A row of DataLink (DataLink 1.1, section 3.2). */
export interface ILink {
  readonly url: string;
  readonly semantics: string;
  readonly description: string;
  readonly contentType: string;
  /** [byte]; NaN where it is not told. */
  readonly size: number;
  readonly qualifier: string;
  readonly error: string;
  readonly serviceDef: string;
}

/** What the model needs of the service. Every method rejects with a readable error. */
export interface IArchiveService {
  rows(adql: string, maxrec: number | null, told?: (table: Table) => void, signal?: AbortSignal): Promise<IRows>;
  /** The list of sources; with a name, the one of that name, for which the operator's resolver may be asked. */
  sources(name?: string): Promise<INames>;
  links(did: string): Promise<ILink[]>;
  /** VOSI's document of the tables, without their columns where the service can leave these out. */
  tableset(): Promise<string>;
  /** DALI's page of examples. */
  examples(): Promise<string>;
  /** The rows of a query as a file. */
  file(adql: string, format: string): Promise<Blob>;
  /** The TAP services of others that the operator named. */
  remotes(): Promise<IRemote[]>;
  /** One of these in place of the own archive; null for the own. */
  at(remote: IRemote | null): IArchiveService;
}

/** Characters of a document that a service has of itself. */
const LONGEST = 4_000_000;
/** Work this long [ms], then let the page draw and answer; tell how far it is this often [ms]. */
const SLICE = 12;
const TELL = 250;

export class ArchiveService implements IArchiveService {
  constructor(
    private readonly _transport: ITransport,
    private readonly _remote: IRemote | null = null
  ) {}

  at(remote: IRemote | null): ArchiveService {
    return new ArchiveService(this._transport, remote);
  }

  async remotes(): Promise<IRemote[]> {
    return (await readRemotes(this._transport)).filter(remote => remote.kind === 'tap');
  }

  async rows(
    adql: string,
    maxrec: number | null,
    told: (table: Table) => void = () => undefined,
    signal?: AbortSignal
  ): Promise<IRows> {
    const response = await this._query(adql, 'votable', maxrec, signal);
    const reader = new VotableReader();
    const stream = response.body?.getReader();
    const decoder = new TextDecoder();
    let began = performance.now();
    let last = began;
    for (;;) {
      const piece = await stream?.read();
      if (piece === undefined || piece.done) {
        break;
      }
      reader.push(decoder.decode(piece.value, { stream: true }));
      if (performance.now() - began > SLICE) {
        if (reader.table !== null && began - last > TELL) {
          told(reader.table);
          last = began;
        }
        await new Promise(resolve => setTimeout(resolve));
        began = performance.now();
      }
    }
    const status = reader.end();
    if (status.error !== null) {
      throw new QueryError(status.error);
    }
    if (reader.table === null) {
      throw new Error('The answer holds no table');
    }
    return { table: reader.table, overflow: status.overflow };
  }

  async file(adql: string, format: string): Promise<Blob> {
    return (await this._query(adql, format, 10_000_000)).blob();
  }

  async sources(name = ''): Promise<INames> {
    const response = await this._ask(['targets'], {}, name === '' ? '' : `?name=${encodeURIComponent(name)}`);
    return (await response.json()) as INames;
  }

  async links(did: string): Promise<ILink[]> {
    const response = await this._ask(['datalink', 'links'], {}, `?ID=${encodeURIComponent(did)}`);
    const reader = new VotableReader();
    reader.push(await response.text());
    const status = reader.end();
    if (status.error !== null) {
      throw new Error(status.error);
    }
    const { table } = reader;
    const text = (name: string, row: number): string => table?.texts(name)?.[row] ?? '';
    const address = async (row: number): Promise<string> => {
      const link = this._transport.here(text('access_url', row));
      const isShown = text('semantics', row).startsWith('#preview') && text('error_message', row) === '';
      return isShown ? this._transport.picture(link) : link;
    };
    const rows = Array.from({ length: table?.rowCount ?? 0 }, (_, row) => row);
    const urls = await Promise.all(rows.map(address));
    return rows.map(row => ({
      url: urls[row] ?? '',
      semantics: text('semantics', row),
      description: text('description', row),
      contentType: text('content_type', row),
      size: table?.numbers('content_length')?.[row] ?? NaN,
      qualifier: text('content_qualifier', row),
      error: text('error_message', row),
      serviceDef: text('service_def', row)
    }));
  }

  tableset(): Promise<string> {
    return this._short('tables', '?detail=min');
  }

  examples(): Promise<string> {
    return this._short('examples');
  }

  /** A document that the service has of itself; rejects where it goes on after so much that it is no short one. */
  private async _short(name: string, query = ''): Promise<string> {
    const response = await this._ask([...this._tap(), name], { cache: 'no-cache' }, query);
    const [stream, decoder] = [response.body?.getReader(), new TextDecoder()];
    let text = '';
    for (;;) {
      const piece = await stream?.read();
      if (piece === undefined || piece.done) {
        return text;
      }
      text += decoder.decode(piece.value, { stream: true });
      if (text.length > LONGEST) {
        await stream?.cancel();
        throw new Error(`${name} is too long to be read here`);
      }
    }
  }

  /** Where the resources of TAP are. */
  private _tap(): string[] {
    return this._remote === null ? ['tap'] : ['remote', this._remote.name];
  }

  private async _query(adql: string, format: string, maxrec: number | null, signal?: AbortSignal): Promise<Response> {
    const body = new URLSearchParams({ LANG: 'ADQL', QUERY: adql, RESPONSEFORMAT: format });
    if (maxrec !== null) {
      body.set('MAXREC', String(maxrec));
    }
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    // else JupyterLab adds the time to the address, where a service may take it for a parameter
    const init: RequestInit = { method: 'POST', body: body.toString(), headers, cache: 'no-cache', ...(signal ? { signal } : {}) };
    return this._ask([...this._tap(), 'sync'], init);
  }

  /** Rejects with the service's own words, which TAP and DataLink write as VOTables. */
  private async _ask(path: readonly string[], init: RequestInit = {}, query = ''): Promise<Response> {
    const response = await this._transport.fetch(path, init, query);
    if (!response.ok) {
      throw await refusal(response);
    }
    return response;
  }
}

async function refusal(response: Response): Promise<Error> {
  const text = await response.text();
  const type = response.headers.get('Content-Type') ?? '';
  if (type.includes('xml')) {
    const reader = new VotableReader();
    reader.push(text);
    const message = reader.end().error ?? text.slice(0, 200);
    return response.status === 400 ? new QueryError(message) : new Error(message);
  }
  const words = type.startsWith('text/plain') ? text.trim().slice(0, 500) : '';
  return new Error(words || `The service answered ${response.status} ${response.statusText}`);
}
