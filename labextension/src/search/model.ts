/**
 * The state of an archive search: form, query, result, selection. No user interface and no HTTP in here.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { IFormats, Rows } from '../grid/rows';
import { Table } from '../grid/table';
import { IRemote } from '../http';
import { IArchiveService, ILink, QueryError } from './api';
import { countQuery, EMPTY_FORM, ICone, IFormQuery, ISearchForm, OBSCORE, OBSCORE_PRODUCTS, queryOf } from './query';
import { ISchemaTable, readSchema, SCHEMA_QUERY } from './schema';
import { ISource, TargetNames } from './targets';

/** Rows that are fetched unless all are asked for, and the most that the page holds. */
export const FIRST_ROWS = 100_000;
export const MOST_ROWS = 1_000_000;
const RECENT = 20;
/** Sources of the online resolver that are remembered. */
const RESOLVED = 50;

export interface ISavedQuery {
  readonly name: string;
  readonly adql: string;
}

/** What a new search begins with: the user's settings (`schema/search.json`). */
export interface ISearchDefaults extends IFormats {
  /** Name of a remote service; empty for the own archive. */
  readonly service: string;
  /** [deg] */
  readonly radius: number;
  /** Rows that are fetched at first. */
  readonly rows: number;
  /** Names of columns that are not shown. */
  readonly hidden: readonly string[];
}

/** What of a search is kept over a reload. */
export interface ISearchState {
  readonly form: ISearchForm;
  /** Null where the query is the form's. */
  readonly edited: string | null;
  readonly recent: readonly string[];
  readonly saved: readonly ISavedQuery[];
  /** Name of the remote service that is asked; empty for the own archive. */
  readonly service: string;
  /** What the online resolver found. */
  readonly resolved: readonly ISource[];
}

export interface IResult {
  readonly adql: string;
  readonly table: Table;
  readonly cone: ICone | null;
  readonly overflow: boolean;
  /** How many rows the archive has for the query; null where that could not be counted. */
  readonly total: number | null;
}

/** Words of the archive for the choices of the form. */
export interface IChoices {
  readonly productTypes: readonly string[];
  readonly collections: readonly string[];
  readonly instruments: readonly string[];
}

const NO_CHOICES: IChoices = { productTypes: [], collections: [], instruments: [] };
/** The columns by which rows of other services are opened. */
const ACCESS = ['access_url', 'access_format', 'access_estsize'];

export interface IFailure {
  readonly message: string;
  /** Where in the query, from 1; null where that is not known. */
  readonly line: number | null;
  readonly column: number | null;
  /** Whether the query is wrong, and not the service away. */
  readonly isQuery: boolean;
}

/** A name that the online resolver was asked for. */
export interface ILookUp {
  readonly name: string;
  /** Why there is no answer; null while it is waited for. */
  readonly error: string | null;
}

export interface IOpened {
  readonly row: number;
  readonly did: string;
  readonly title: string;
  readonly links: readonly ILink[] | null;
  readonly error: string | null;
}

export class SearchModel {
  constructor(private readonly _own: IArchiveService) {
    this._service = _own;
    this._query = queryOf(this._form, this._names);
  }

  /** Emitted after every change of what the getters return. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The archive that is asked. */
  get service(): IArchiveService {
    return this._service;
  }

  /** Others that can be asked in place of the own archive. */
  get remotes(): readonly IRemote[] {
    return this._remotes;
  }

  /** The one of these that is asked; null for the own archive. */
  get remote(): IRemote | null {
    return this._remote;
  }

  /** Whether the form can be used: whether the service has `ivoa.obscore`. Until that is known, it can. */
  get hasObscore(): boolean {
    return this._schema.length === 0 || this._schema.some(table => table.name.toLowerCase() === OBSCORE);
  }

  get form(): ISearchForm {
    return this._form;
  }

  get query(): IFormQuery {
    return this._query;
  }

  get names(): TargetNames {
    return this._names;
  }

  /** The host that can be asked for the name in the form; '' where it is known, or nobody can be asked. */
  get resolver(): string {
    return this._ready && this._names.isUnknown(this._form.target) ? this._resolver : '';
  }

  /** How the question for the name in the form stands; null where none was asked, or it was answered. */
  get lookUp(): ILookUp | null {
    return this._lookUp?.name === this._form.target ? this._lookUp : null;
  }

  /** Where the position of the name in the form is from, where that is not the list; '' otherwise. */
  get origin(): string {
    const found = this._names.find(this._form.target);
    return found !== null && this._resolved.includes(found) ? [found.kind, found.reference].filter(Boolean).join(' · ') : '';
  }

  get choices(): IChoices {
    return this._choices;
  }

  get schema(): readonly ISchemaTable[] {
    return this._schema;
  }

  /** The query that would be sent. */
  get adql(): string {
    return this._edited ?? this._query.adql;
  }

  /** Whether the query was edited by hand: then the form says nothing of it. */
  get isEdited(): boolean {
    return this._edited !== null;
  }

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

  /** Why the archive could not be asked what there is; null where it was. */
  get unreachable(): string | null {
    return this._unreachable;
  }

  /** Whether the archive has told what there is. */
  get isReady(): boolean {
    return this._ready;
  }

  get opened(): IOpened | null {
    return this._opened;
  }

  get state(): ISearchState {
    const { _form: form, _edited: edited, _recent: recent, _saved: saved, _resolved: resolved } = this;
    return { form, edited, recent, saved, service: this._wanted, resolved };
  }

  /** Take the settings; a search that has begun keeps its form and its service. */
  setDefaults({ service, radius, rows, hidden, dates, energies, sexagesimal }: ISearchDefaults): void {
    const isNew = this._form === this._empty && !this._ready;
    this._empty = { ...EMPTY_FORM, radius: String(radius) };
    this._firstRows = rows;
    this.rows.hide(hidden);
    this.rows.setFormats({ dates, energies, sexagesimal });
    if (isNew) {
      this._form = this._empty;
      this._wanted = service;
    }
    this._update();
  }

  /** Take up a state that was kept; what it lacks is as in a new search. */
  restore(state: Partial<ISearchState>): void {
    this._form = state.form === undefined ? this._empty : { ...EMPTY_FORM, ...state.form };
    this._edited = state.edited ?? null;
    this._recent = state.recent ?? [];
    this._saved = state.saved ?? [];
    this._wanted = state.service ?? this._wanted;
    this._resolved = state.resolved ?? [];
    this._name(this._listed, this._names.observed);
    this._update();
  }

  setForm(change: Partial<ISearchForm>): void {
    this._form = { ...this._form, ...change };
    this._update();
  }

  clearForm(): void {
    this._edited = null;
    this.setForm(this._empty);
  }

  /** Ask the operator's resolver for the name in the form. Never rejects: `lookUp` tells. */
  async askResolver(): Promise<void> {
    const name = this._form.target;
    if (this.resolver === '' || (this.lookUp !== null && this.lookUp.error === null)) {
      return;
    }
    this._lookUp = { name, error: null };
    this._changed.emit();
    try {
      const { targets } = await this._own.sources(name.trim());
      // as typed, too: it is looked up by that
      const found = targets.map(source => ({ ...source, aliases: [...source.aliases, name.trim()] }));
      this._resolved = [...found, ...this._resolved].slice(0, RESOLVED);
      this._name(this._listed, this._names.observed);
      this._lookUp = null;
    } catch (error) {
      this._lookUp = { name, error: words(error) };
    }
    this._update();
  }

  /** The query as edited by hand; null, or what the form says, gives it back to the form. */
  setAdql(adql: string | null): void {
    this._edited = adql === this._query.adql ? null : adql;
    this._changed.emit();
  }

  save(name: string): void {
    const others = this._saved.filter(saved => saved.name !== name);
    this._saved = [...others, { name, adql: this.adql }];
    this._changed.emit();
  }

  forget(name: string): void {
    this._saved = this._saved.filter(saved => saved.name !== name);
    this._changed.emit();
  }

  /** Ask another service, by its name; the own archive by ''. Never rejects: `unreachable` tells. */
  async setService(name: string): Promise<void> {
    this.cancel();
    this._wanted = name;
    this._ready = false;
    this._edited = null;
    this._schema = [];
    this._choices = NO_CHOICES;
    this._result = this._failure = this._opened = null;
    await this.load();
  }

  /** Ask the archive what there is: names, choices, tables. Never rejects: `unreachable` tells. */
  load(): Promise<void> {
    this._loading = this._load();
    return this._loading;
  }

  /** Send the query and read its rows. Never rejects: `failure` tells. */
  async run(maxrec = this._firstRows): Promise<void> {
    if (!this.isEdited && Object.keys(this._query.errors).length > 0) {
      return;
    }
    if (this._wanted !== (this._remote?.name ?? '')) {
      await this._loading; // else the archive would be asked that was chosen before
    }
    this.cancel();
    const running = new AbortController();
    const [adql, cone] = [this.adql, this.isEdited ? null : this._query.cone];
    const counting = this.isEdited ? countQuery(adql.replace(/;\s*$/, '')) : countQuery(this._query);
    this._running = running;
    this._failure = null;
    this._progress = 0;
    this._expected = null;
    this._recent = [adql, ...this._recent.filter(other => other !== adql)].slice(0, RECENT);
    this._changed.emit();
    try {
      const told = (table: Table): void => {
        this._progress = table.rowCount;
        this._changed.emit();
      };
      const rows = this.service.rows(adql, maxrec, told, running.signal);
      // of what takes long it is known from the start how much it will be
      const counted = this._remote === null ? this._countFirst(counting, running) : null;
      const { table, overflow } = await rows;
      const total = overflow ? await (counted ?? this._count(counting, running.signal)) : table.rowCount;
      if (this._running === running) {
        this._result = { adql, table, cone, overflow, total };
        this._opened = null;
        this.rows.show(table);
        if (table.rowCount > 0 && this._ready && this._remote === null && this._choices.collections.length === 0) {
          void this.load(); // the archive was empty, and is no more
        }
      }
    } catch (error) {
      if (this._running === running) {
        const place = error instanceof QueryError ? error : { line: null, column: null };
        const isQuery = error instanceof QueryError;
        this._failure = { message: words(error), line: place.line, column: place.column, isQuery };
      }
    } finally {
      if (this._running === running) {
        this._running = null;
        this._changed.emit();
      }
    }
  }

  runAll(): Promise<void> {
    return this.run(MOST_ROWS);
  }

  cancel(): void {
    this._running?.abort();
    this._running = null;
    this._changed.emit();
  }

  /** Read the links of a row. Never rejects. */
  async open(row: number): Promise<void> {
    const table = this._result?.table;
    const did = table?.texts('obs_publisher_did')?.[row] ?? '';
    if (table === undefined || did === '') {
      return;
    }
    const id = table.column('obs_id')?.values[row];
    const title = [id, table.texts('target_name')?.[row]].filter(part => part !== undefined && part !== '').join(' · ');
    const base = { row, did, title: title || did };
    if (this._remote !== null) {
      this._open({ ...base, links: accessOf(table, row), error: null });
      return;
    }
    this._open({ ...base, links: null, error: null });
    try {
      const links = await this.service.links(did);
      if (this._opened?.did === did) {
        this._open({ ...base, links, error: null });
      }
    } catch (error) {
      if (this._opened?.did === did) {
        this._open({ ...base, links: null, error: words(error) });
      }
    }
  }

  close(): void {
    this._open(null);
  }

  /** Identifiers of the selected rows; empty where the result has none. */
  selectedDids(): string[] {
    const dids = this._result?.table.texts('obs_publisher_did');
    return dids ? [...new Set(this.rows.selection.rows().map(row => dids[row] ?? ''))].filter(did => did !== '') : [];
  }

  /** The rows as they are shown: order, filter, columns, selection. */
  readonly rows = new Rows();

  private async _load(): Promise<void> {
    const turn = ++this._turn;
    this._unreachable = null;
    this._changed.emit();
    try {
      this._remotes = await this._own.remotes();
      if (turn !== this._turn) {
        return;
      }
      this._remote = this._remotes.find(remote => remote.name === this._wanted) ?? null;
      this._wanted = this._remote?.name ?? '';
      this._service = this._own.at(this._remote);
      await (this._remote === null ? this._loadOwn(turn) : this._loadRemote(turn));
    } catch (error) {
      if (turn === this._turn) {
        this._unreachable = words(error);
      }
    }
    this._update();
  }

  private async _loadOwn(turn: number): Promise<void> {
    const distinct = (column: string): Promise<string[]> => this._distinct(column);
    const [sources, observed, productTypes, collections, instruments, schema] = await Promise.all([
      this.service.sources(),
      distinct('target_name'),
      distinct('dataproduct_type'),
      distinct('obs_collection'),
      distinct('instrument_name'),
      this.service.rows(SCHEMA_QUERY, FIRST_ROWS)
    ]);
    if (turn === this._turn) {
      this._resolver = sources.resolver;
      this._name(sources.targets, observed);
      this._choices = { productTypes, collections, instruments };
      this._schema = readSchema(schema.table);
      this._ready = true;
    }
  }

  /** What a service of unknown size has is not looked through: the choices are ObsCore's own, or typed. */
  private async _loadRemote(turn: number): Promise<void> {
    const [sources, schema] = await Promise.all([this._own.sources(), this.service.rows(SCHEMA_QUERY, FIRST_ROWS)]);
    if (turn === this._turn) {
      this._resolver = sources.resolver;
      this._name(sources.targets);
      this._choices = { ...NO_CHOICES, productTypes: OBSCORE_PRODUCTS };
      this._schema = readSchema(schema.table);
      this._ready = true;
      if (!this.hasObscore) {
        this._edited ??= `SELECT TOP 100 *\nFROM ${this._schema[0]?.name ?? 'TAP_SCHEMA.tables'}`;
      }
    }
  }

  private _name(listed: readonly ISource[], observed: readonly string[] = []): void {
    this._listed = listed;
    // a name means the source of the list where it is in both: what comes later counts
    this._names = new TargetNames([...this._resolved, ...listed], observed);
  }

  private _open(opened: IOpened | null): void {
    this._opened = opened;
    this._changed.emit();
  }

  private async _distinct(column: string): Promise<string[]> {
    const adql = `SELECT DISTINCT ${column} FROM ivoa.obscore WHERE ${column} IS NOT NULL ORDER BY ${column}`;
    const { table } = await this.service.rows(adql, 5000);
    return [...(table.texts(column) ?? [])];
  }

  private async _countFirst(adql: string, running: AbortController): Promise<number | null> {
    const total = await this._count(adql, running.signal);
    if (this._running === running) {
      this._expected = total;
      this._changed.emit();
    }
    return total;
  }

  private async _count(adql: string, signal: AbortSignal): Promise<number | null> {
    try {
      const { table } = await this.service.rows(adql, null, undefined, signal);
      const column = table.columns[0];
      return column?.kind === 'number' ? (column.values[0] ?? null) : null;
    } catch {
      return null; // a query that has no count still has its rows
    }
  }

  private _update(): void {
    this._query = queryOf(this._form, this._names, this._remote === null ? [] : ACCESS);
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _empty = EMPTY_FORM;
  private _firstRows = FIRST_ROWS;
  private _form = EMPTY_FORM;
  private _names = new TargetNames();
  private _listed: readonly ISource[] = [];
  private _resolved: readonly ISource[] = [];
  private _resolver = '';
  private _lookUp: ILookUp | null = null;
  private _query: IFormQuery;
  private _choices = NO_CHOICES;
  private _schema: readonly ISchemaTable[] = [];
  private _edited: string | null = null;
  private _recent: readonly string[] = [];
  private _saved: readonly ISavedQuery[] = [];
  private _running: AbortController | null = null;
  private _progress = 0;
  private _expected: number | null = null;
  private _result: IResult | null = null;
  private _failure: IFailure | null = null;
  private _unreachable: string | null = null;
  private _ready = false;
  private _opened: IOpened | null = null;
  private _service: IArchiveService;
  private _remotes: readonly IRemote[] = [];
  private _remote: IRemote | null = null;
  private _wanted = '';
  private _loading: Promise<void> = Promise.resolve();
  private _turn = 0;
}

/** What the service of others tells of a row's data: where they are. */
function accessOf(table: Table, row: number): ILink[] {
  const text = (name: string): string => table.texts(name)?.[row] ?? '';
  const url = text('access_url');
  if (!/^https?:\/\//.test(url)) {
    return [];
  }
  const contentType = text('access_format');
  const isLinks = contentType.includes('content=datalink');
  const size = 1000 * (table.numbers('access_estsize')?.[row] ?? NaN);
  const link = { url, contentType, size, qualifier: '', error: '', serviceDef: '' };
  return [{ ...link, semantics: isLinks ? '#datalink' : '#this', description: isLinks ? 'DataLink' : url }];
}

export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
