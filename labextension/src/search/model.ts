/**
 * The state of an archive search: form, query, result, selection. No user interface and no HTTP in here.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../errors';
import { IFormats, Rows } from '../grid/rows';
import { IRemote } from '../http';
import { Answer } from './answer';
import { Asked } from './asked';
import { IArchiveService } from './api';
import { IChoices, IContents, NOTHING, ownContents, remoteContents } from './contents';
import { IExample, readExamples, readTableRows } from './described';
import { LookUp } from './lookup';
import { OpenedRow } from './opened';
import { countQuery, EMPTY_FORM, IFormQuery, ISearchForm, OBSCORE, queryOf } from './query';
import { ISchemaTable } from './schema';
import { ISource } from './targets';

/** Rows that are fetched unless all are asked for, and the most that the page holds. */
export const FIRST_ROWS = 100_000;
export const MOST_ROWS = 1_000_000;
const RECENT = 20;

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

/** The columns by which rows of other services are opened. */
const ACCESS = ['access_url', 'access_format', 'access_estsize'];

export class SearchModel {
  constructor(private readonly _own: IArchiveService) {
    this._service = _own;
    this.lookUp = new LookUp(_own, () => {
      this._update();
    });
    this._query = queryOf(this._form, this.lookUp.names);
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
    return this.schema.length === 0 || this.schema.some(table => table.name.toLowerCase() === OBSCORE);
  }

  get form(): ISearchForm {
    return this._form;
  }

  get query(): IFormQuery {
    return this._query;
  }

  get choices(): IChoices {
    return this._contents.choices;
  }

  get schema(): readonly ISchemaTable[] {
    return this._contents.schema;
  }

  /** Whether the archive is known to hold nothing. */
  get isEmpty(): boolean {
    return this._ready && this._remote === null && this.choices.collections.length === 0;
  }

  /** The query that would be sent. */
  get adql(): string {
    return this._edited ?? this._query.adql;
  }

  /** Whether the query was edited by hand: then the form says nothing of it. */
  get isEdited(): boolean {
    return this._edited !== null;
  }

  /** Why the archive could not be asked what there is; null where it was. */
  get unreachable(): string | null {
    return this._unreachable;
  }

  /** Whether the archive has told what there is. */
  get isReady(): boolean {
    return this._ready;
  }

  get state(): ISearchState {
    const { _form: form, _edited: edited, _recent: recent, _saved: saved } = this;
    return { form, edited, recent, saved, service: this._wanted, resolved: this.lookUp.resolved };
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
    this.lookUp.restore(state.resolved ?? []);
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

  /** The query as edited by hand; null, or what the form says, gives it back to the form. */
  setAdql(adql: string | null): void {
    this._edited = adql === this._query.adql ? null : adql;
    this._changed.emit();
  }

  /** Keep a query under a name: the one that would be sent, or another. */
  save(name: string, adql = this.adql): void {
    const others = this._saved.filter(saved => saved.name !== name);
    this._saved = [...others, { name, adql }];
    this._changed.emit();
  }

  forget(name: string): void {
    this._saved = this._saved.filter(saved => saved.name !== name);
    this._changed.emit();
  }

  /** Ask another service, by its name; the own archive by ''. Never rejects: `unreachable` tells. */
  async setService(name: string): Promise<void> {
    this._wanted = name;
    this._ready = false;
    this._edited = null;
    this._contents = NOTHING;
    this.lookUp.setNames(NOTHING.names, NOTHING.observed);
    this.answer.clear();
    this.opened.close();
    await this.load();
  }

  /** Ask the archive what there is: names, choices, tables. Never rejects: `unreachable` tells. */
  load(): Promise<void> {
    this._loading = this._load();
    return this._loading;
  }

  /** Send the query and read its rows. Never rejects: `answer` tells. */
  async run(maxrec = this._firstRows): Promise<void> {
    if (!this.isEdited && Object.keys(this._query.errors).length > 0) {
      return;
    }
    if (this._wanted !== (this._remote?.name ?? '')) {
      await this._loading; // else the archive would be asked that was chosen before
    }
    const adql = this.adql;
    const asked = this.isEdited
      ? { adql, cones: [], count: countQuery(adql.replace(/;\s*$/, '')) }
      : { adql, cones: this._query.cones, count: countQuery(this._query) };
    this._recent = [adql, ...this._recent.filter(other => other !== adql)].slice(0, RECENT);
    const result = await this.answer.ask(this.service, asked, maxrec, this._remote === null);
    if (result !== null && result.table.rowCount > 0 && this.isEmpty) {
      void this.load(); // the archive was empty, and is no more
    }
  }

  runAll(): Promise<void> {
    return this.run(MOST_ROWS);
  }

  /** Read the links of a row. Never rejects. */
  async open(row: number): Promise<void> {
    const table = this.answer.result?.table;
    if (table !== undefined) {
      await this.opened.open(table, row, this._remote === null ? this.service : null);
    }
  }

  /** Identifiers of the selected rows; empty where the result has none. */
  selectedDids(): string[] {
    const dids = this.answer.result?.table.texts('obs_publisher_did');
    return dids ? [...new Set(this.rows.selection.rows().map(row => dids[row] ?? ''))].filter(did => did !== '') : [];
  }

  private async _load(): Promise<void> {
    const turn = ++this._turn;
    this._unreachable = null;
    this._changed.emit();
    try {
      const remotes = await this._own.remotes();
      if (turn !== this._turn) {
        return;
      }
      this._remotes = remotes;
      this._remote = remotes.find(remote => remote.name === this._wanted) ?? null;
      this._wanted = this._remote?.name ?? '';
      this._service = this._own.at(this._remote);
      const contents = await (this._remote === null ? ownContents(this.service) : remoteContents(this.service, this._own));
      if (turn === this._turn) {
        this._take(contents);
      }
    } catch (error) {
      if (turn === this._turn) {
        this._unreachable = messageOf(error);
      }
    }
    this._update();
  }

  private _take(contents: IContents): void {
    this._contents = contents;
    this.lookUp.setNames(contents.names, contents.observed);
    this._ready = true;
    if (!this.hasObscore) {
      this._edited ??= `SELECT TOP 100 *\nFROM ${this.schema[0]?.name ?? 'TAP_SCHEMA.tables'}`;
    }
  }

  private _update(): void {
    this._query = queryOf(this._form, this.lookUp.names, this._remote === null ? [] : ACCESS);
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _emit = (): void => {
    this._changed.emit();
  };
  /** Names, and the online resolver for those that are not known. */
  readonly lookUp: LookUp;
  /** The rows as they are shown: order, filter, columns, selection. */
  readonly rows = new Rows();
  /** What the last query brought. */
  readonly answer = new Answer(this._emit, ({ adql, table }) => {
    // sorted here: a service sorts a million rows only where it has the memory for them
    this.rows.show(table, /\bORDER\s+BY\b/i.test(adql) ? null : 't_min');
    this.opened.close();
  });
  /** How many rows the tables have. */
  readonly tableRows = new Asked<ReadonlyMap<string, number>>(
    async service => readTableRows(await service.tableset()),
    new Map(),
    this._emit
  );
  /** Queries to begin with. */
  readonly examples = new Asked<readonly IExample[]>(async service => readExamples(await service.examples()), [], this._emit);
  /** The row of which the links are shown. */
  readonly opened = new OpenedRow(this._emit);
  private _empty = EMPTY_FORM;
  private _firstRows = FIRST_ROWS;
  private _form = EMPTY_FORM;
  private _query: IFormQuery;
  private _contents = NOTHING;
  private _edited: string | null = null;
  private _recent: readonly string[] = [];
  private _saved: readonly ISavedQuery[] = [];
  private _unreachable: string | null = null;
  private _ready = false;
  private _service: IArchiveService;
  private _remotes: readonly IRemote[] = [];
  private _remote: IRemote | null = null;
  private _wanted = '';
  private _loading: Promise<void> = Promise.resolve();
  private _turn = 0;
}
