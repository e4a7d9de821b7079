/**
 * A job before it is made: its type, values and limits, what is wrong with them, and the request that makes it.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../errors';
import { check, Given, isText, items } from './check';
import { defaultOf, IJobType, IParameter, textOf } from './description';
import { IJobDocument, IJobRef } from './job';
import { KnownFile } from './knownfile';

/** What a form may be opened with. */
export interface INewJob {
  readonly type?: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly obs_ids?: readonly string[];
  /** ICRS, degrees. */
  readonly position?: { readonly ra: number; readonly dec: number };
  readonly run_id?: string;
  /** The job that is run again: it keeps the files that it was given. */
  readonly again?: IJobRef;
  /** Files that were given, by parameter; who opens the form brings them. */
  readonly files?: Readonly<Record<string, IGivenFile>>;
}

/** How a file is called, how a form shows it, and what opens it in Python; null where it is too large for code. */
export interface IGivenFile {
  readonly name: string;
  readonly path: string;
  readonly code: string | null;
}

/** What a form needs of the service; see `api.ts`. */
export interface IFormService {
  types(): Promise<IJobType[]>;
  create(type: string, values: FormData): Promise<IJobDocument>;
  baskets(): Promise<string[]>;
  basket(name: string): Promise<string[]>;
  /** The files that a job was given, by parameter. */
  files(job: IJobRef): Promise<Map<string, File[]>>;
}

/** Fields that are not the type's own; resources have their names in capitals. */
export const RUN_ID = 'RUNID';
export const DURATION = 'EXECUTIONDURATION';

export class JobForm {
  /** With `files` that are given already, by parameter. */
  constructor(
    private readonly _service: IFormService,
    readonly asked: INewJob,
    private readonly _files: Readonly<Record<string, readonly File[]>> = {}
  ) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Null until the service has answered. */
  get types(): readonly IJobType[] | null {
    return this._types;
  }

  get type(): IJobType | null {
    return this._type;
  }

  /** What the service said that is no field's fault; null for nothing. */
  get error(): string | null {
    return this._error;
  }

  get busy(): boolean {
    return this._busy;
  }

  async load(): Promise<void> {
    await this._try(async () => {
      this._types = await this._service.types();
      const wanted = this._types.find(type => type.name === this.asked.type);
      if (this.asked.type && !wanted) {
        this._error = `There is no job type '${this.asked.type}' here.`;
      }
      this._begin(wanted ?? this._types[0] ?? null);
      if (wanted) {
        const again = this.asked.again ? await this._service.files(this.asked.again) : [];
        for (const [name, files] of [...again, ...Object.entries(this._files)]) {
          this._given.set(name, files);
          this._touched.add(name);
        }
      }
    });
  }

  setType(name: string): void {
    this._begin(this._types?.find(type => type.name === name) ?? null);
    this._changed.emit();
  }

  given(field: string): Given {
    return this._given.get(field) ?? '';
  }

  /** The same as text; of files their paths where they are known, or their names. */
  text(field: string): string {
    const given = this.given(field);
    return isText(given) ? given : given.map(file => (file instanceof KnownFile ? file.path : file.name)).join(', ');
  }

  set(field: string, value: Given): void {
    this._given.set(field, value);
    this._touched.add(field);
    this._changed.emit();
  }

  /** Give files to a parameter, beside those that it has where it takes several. */
  addFiles(parameter: IParameter, files: readonly File[]): void {
    const given = this.given(parameter.name);
    const kept = parameter.multiple && !isText(given) ? given : [];
    const all = parameter.multiple ? [...kept, ...files] : files.slice(0, 1);
    this.set(parameter.name, all.length > 0 ? all : '');
  }

  /** Leave a field: from now on it says what is wrong with it. */
  touch(field: string): void {
    this._touched.add(field);
    this._changed.emit();
  }

  baskets(): Promise<string[]> {
    return this._service.baskets();
  }

  /** Take the runs of a basket for a parameter. */
  async take(field: string, basket: string): Promise<void> {
    this.set(field, (await this._service.basket(basket)).join('\n'));
  }

  /** What is wrong with a field that was touched. */
  problem(field: string): string | null {
    return this._touched.has(field) ? (this.problems().get(field) ?? null) : null;
  }

  /** Field -> what is wrong; for a job that is not run yet, required parameters may be missing. */
  problems(complete = true): Map<string, string> {
    const found = new Map<string, string>();
    for (const parameter of this._type?.parameters ?? []) {
      const given = this.given(parameter.name);
      if (complete || !isText(given) || items(parameter, given).length) {
        const problem = check(parameter, given);
        if (problem) {
          found.set(parameter.name, problem);
        }
      }
    }
    this._checkLimits(found);
    return found;
  }

  /** The values that differ from the defaults, as texts; for files, how they are shown. */
  changes(): Map<string, string> {
    const found = new Map<string, string>();
    for (const parameter of this._type?.parameters ?? []) {
      const text = this.text(parameter.name);
      if (text.trim() && text !== defaultOf(parameter)) {
        found.set(parameter.name, text);
      }
    }
    return found;
  }

  /** Make the job; null where something is wrong, which the fields then say. */
  async submit(run: boolean): Promise<IJobDocument | null> {
    const type = this._type;
    if (!type || this._busy) {
      return null;
    }
    [...type.parameters.map(each => each.name), DURATION, ...this.resources()].forEach(name => {
      this._touched.add(name);
    });
    if (this.problems(run).size) {
      this._changed.emit();
      return null;
    }
    let made: IJobDocument | null = null;
    await this._try(async () => {
      made = await this._service.create(type.name, this._request(type, run));
    });
    return made;
  }

  resources(): string[] {
    return Object.keys(this._type?.resources ?? {}).map(name => name.toUpperCase());
  }

  private _request(type: IJobType, run: boolean): FormData {
    const form = new FormData();
    for (const parameter of type.parameters) {
      const given = this.given(parameter.name);
      if (!isText(given)) {
        given.forEach(file => {
          form.append(parameter.name, file, file.name);
        });
      } else if (items(parameter, given).length) {
        form.append(parameter.name, given);
      }
    }
    for (const name of [RUN_ID, DURATION, ...this.resources()]) {
      const text = this.text(name).trim();
      if (text) {
        form.append(name, text);
      }
    }
    if (run) {
      form.append('PHASE', 'RUN');
    }
    return form;
  }

  private _begin(type: IJobType | null): void {
    const typed = this.changes();
    const runId = this.text(RUN_ID);
    this._type = type;
    this._touched.clear();
    this._given.clear();
    for (const parameter of type?.parameters ?? []) {
      // what was typed for another type is kept where this one takes it as well; files are not
      const kept = parameter.type === 'file' ? undefined : typed.get(parameter.name);
      this._given.set(parameter.name, kept ?? this._asked(parameter) ?? defaultOf(parameter));
    }
    this._given.set(RUN_ID, runId || (this.asked.run_id ?? ''));
  }

  private _asked(parameter: IParameter): string | undefined {
    const { parameters, obs_ids: ids, position } = this.asked;
    const name = parameter.name.toLowerCase();
    const entry = Object.entries(parameters ?? {}).find(([key]) => key.toLowerCase() === name);
    if (entry) {
      return textOf(entry[1]);
    }
    if (name === 'obs_ids' && ids?.length) {
      return ids.join(' ');
    }
    if (position && parameter.ucd?.startsWith('pos.eq.')) {
      return String(parameter.ucd.startsWith('pos.eq.ra') ? position.ra : position.dec);
    }
    return undefined;
  }

  private _checkLimits(found: Map<string, string>): void {
    const type = this._type;
    const text = (name: string): string => this.text(name).trim();
    const duration = text(DURATION);
    if (type && duration) {
      const longest = type.execution_duration_max;
      if (!/^\d+$/.test(duration)) {
        found.set(DURATION, `${DURATION} '${duration}' is not a whole number of seconds`);
      } else if (Number(duration) > longest) {
        found.set(DURATION, `${DURATION} '${duration}' is more than the ${longest} s that a job may have here`);
      }
    }
    for (const [key, resource] of Object.entries(type?.resources ?? {})) {
      const name = key.toUpperCase();
      const asked = text(name);
      if (!asked || resource.choices) {
        continue;
      }
      const plain = /^\d{1,9}$/.test(asked);
      if (!plain && key !== 'memory') {
        const least = key === 'cores' ? 1 : 0;
        found.set(name, `${name} '${asked}' is not a whole number of at least ${least}`);
      } else if (plain && resource.maximum && Number(asked) > resource.maximum) {
        const unit = key === 'memory' ? ' MiB' : '';
        found.set(name, `${name} '${asked}' is more than the ${resource.maximum}${unit} that a job may have here`);
      }
    }
  }

  private async _try(act: () => Promise<void>): Promise<void> {
    this._busy = true;
    this._error = null;
    this._changed.emit();
    try {
      await act();
    } catch (error) {
      this._error = messageOf(error);
    } finally {
      this._busy = false;
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _given = new Map<string, Given>();
  private readonly _touched = new Set<string>();
  private _types: readonly IJobType[] | null = null;
  private _type: IJobType | null = null;
  private _error: string | null = null;
  private _busy = false;
}
