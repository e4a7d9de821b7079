/**
 * The answer to a query: its rows as they come, how many there are, and what was wrong.
 */
import { messageOf } from '../errors';
import { Table } from '../grid/table';
import { IArchiveService, QueryError } from './api';
import { ICone } from './query';

/** A query as it is sent. */
export interface IAsked {
  readonly adql: string;
  /** A query for the number of its rows. */
  readonly count: string;
  /** The circles that it searches, where they are known. */
  readonly cones: readonly ICone[];
}

export interface IResult {
  readonly adql: string;
  readonly table: Table;
  readonly cones: readonly ICone[];
  readonly overflow: boolean;
  /** How many rows the archive has for the query; null where that could not be counted. */
  readonly total: number | null;
}

export interface IFailure {
  readonly message: string;
  /** Where in the query, from 1; null where that is not known. */
  readonly line: number | null;
  readonly column: number | null;
  /** Whether the query is wrong, and not the service away. */
  readonly isQuery: boolean;
}

export class Answer {
  /** `shown` takes the rows before others are told of them. */
  constructor(
    private readonly _changed: () => void,
    private readonly _shown: (result: IResult) => void
  ) {}

  get isRunning(): boolean {
    return this._running !== null;
  }

  /** Rows read so far. */
  get progress(): number {
    return this._progress;
  }

  /** How many rows the query that runs will find; null until that is known, and where it cannot be counted. */
  get expected(): number | null {
    return this._expected;
  }

  get result(): IResult | null {
    return this._result;
  }

  get failure(): IFailure | null {
    return this._failure;
  }

  /** Send a query and read its rows; `counts` from the start. The result, where no other came between. Never rejects. */
  async ask(service: IArchiveService, asked: IAsked, maxrec: number, counts: boolean): Promise<IResult | null> {
    this.cancel();
    const running = new AbortController();
    const { signal } = running;
    this._running = running;
    this._failure = this._expected = null;
    this._progress = 0;
    this._changed();
    try {
      const told = (table: Table): void => {
        this._progress = table.rowCount;
        this._changed();
      };
      const rows = service.rows(asked.adql, maxrec, told, signal);
      // of what takes long it is known from the start how much it will be
      const counted = counts ? this._countFirst(service, asked, running) : null;
      const { table, overflow } = await rows;
      const total = overflow ? await (counted ?? count(service, asked, signal)) : table.rowCount;
      if (this._running !== running) {
        return null;
      }
      this._result = { adql: asked.adql, cones: asked.cones, table, overflow, total };
      this._shown(this._result);
      return this._result;
    } catch (error) {
      if (this._running === running) {
        const place = error instanceof QueryError ? error : { line: null, column: null };
        const isQuery = error instanceof QueryError;
        this._failure = { message: messageOf(error), line: place.line, column: place.column, isQuery };
      }
      return null;
    } finally {
      if (this._running === running) {
        this._running = null;
        this._changed();
      }
    }
  }

  cancel(): void {
    this._running?.abort();
    this._running = null;
    this._changed();
  }

  /** Forget the rows and what was wrong. */
  clear(): void {
    this.cancel();
    this._result = this._failure = null;
    this._changed();
  }

  private async _countFirst(service: IArchiveService, asked: IAsked, running: AbortController): Promise<number | null> {
    const total = await count(service, asked, running.signal);
    if (this._running === running) {
      this._expected = total;
      this._changed();
    }
    return total;
  }

  private _running: AbortController | null = null;
  private _progress = 0;
  private _expected: number | null = null;
  private _result: IResult | null = null;
  private _failure: IFailure | null = null;
}

async function count(service: IArchiveService, asked: IAsked, signal: AbortSignal): Promise<number | null> {
  try {
    const { table } = await service.rows(asked.count, null, undefined, signal);
    const column = table.columns[0];
    return column?.kind === 'number' ? (column.values[0] ?? null) : null;
  } catch {
    return null; // a query that has no count still has its rows
  }
}
