/**
 * What a widget shows, page over page, and what its pages ask of it. No drawing in here.
 */
import { ISignal, Signal } from '@lumino/signaling';
import type { JSX } from 'react';

import { IQuery, JobService } from '../jobs/api';
import { JobEvents } from '../jobs/events';
import { INewJob } from '../jobs/form';
import { IHost, IQuestion } from '../jobs/host';
import { IJobRef } from '../jobs/job';
import { literal } from '../jobs/python';
import { IModel, KernelTransport } from './transport';
import { words } from './words';

/** What a page is of; the widget's Python names the first one. */
export type Place =
  | { readonly kind: 'jobs'; readonly query?: Partial<IQuery> }
  | { readonly kind: 'job'; readonly job: IJobRef }
  | { readonly kind: 'form'; readonly asked: INewJob }
  | { readonly kind: 'result'; readonly job: IJobRef; readonly name: string }
  | { readonly kind: 'compare'; readonly jobs: readonly IJobRef[] }
  | { readonly kind: 'cluster' }
  | { readonly kind: 'search'; readonly form?: Readonly<Record<string, string>>; readonly adql?: string };

/** A page: its view, and what it does as Python. */
export interface IPage {
  readonly kind: Place['kind'];
  readonly view: JSX.Element;
  readonly code: () => string;
  /** Emitted when the code may be another. */
  readonly changed?: ISignal<unknown, unknown>;
  readonly setVisible?: (visible: boolean) => void;
  readonly dispose?: () => void;
}

/** Something that needs a word of the user. */
export interface IAsked extends IQuestion {
  readonly answer: (accepted: boolean) => void;
}

/** A file that is to be chosen. */
export interface IPicking {
  readonly title: string;
  readonly answer: (file: File | null) => void;
}

export class Desk {
  constructor(
    readonly model: IModel,
    private readonly _make: (desk: Desk, place: Place) => IPage
  ) {
    this.transport = new KernelTransport(model, String(model.get('_root')));
    this.service = new JobService(this.transport);
    this.events = new JobEvents(
      () => this.transport.events(),
      () => Promise.resolve(this.transport.loss)
    );
    this.transport.silenceChanged.connect(() => {
      this._changed.emit();
    });
    this.events.stateChanged.connect(() => {
      this._changed.emit();
    });
    this.open(model.get('_place') as Place);
  }

  readonly transport: KernelTransport;
  readonly service: JobService;
  readonly events: JobEvents;

  readonly host: IHost = {
    trans: words,
    openJob: job => {
      this.open({ kind: 'job', job });
    },
    openNewJob: asked => {
      this.open({ kind: 'form', asked });
    },
    openResult: (job, { name }) => {
      this.open({ kind: 'result', job, name });
    },
    openCluster: () => {
      this.open({ kind: 'cluster' });
    },
    compare: jobs => {
      this.open({ kind: 'compare', jobs });
    },
    insertCode: code => {
      this.showCode(code);
      return Promise.resolve();
    },
    copy: text => {
      this.copy(text);
    },
    confirm: question =>
      new Promise(resolve => {
        const answer = (accepted: boolean): void => {
          this._asked = null;
          this._changed.emit();
          resolve(accepted);
        };
        this._asked = { ...question, answer };
        this._changed.emit();
      }),
    complain: sentence => {
      this.complain(sentence);
    },
    files: words.__("the notebook's folder"),
    openNotebook: null,
    pickFile: () =>
      new Promise(resolve => {
        const answer = (file: File | null): void => {
          this._picking = null;
          this._changed.emit();
          resolve(file);
        };
        this._picking = { title: words.__("A file of the notebook's folder"), answer };
        this._changed.emit();
      })
  };

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** The page in sight. */
  get page(): IPage | null {
    return this._pages.at(-1) ?? null;
  }

  get hasMore(): boolean {
    return this._pages.length > 1;
  }

  /** Why what is shown does not change any more, where that matters and the page does not say it; null while it does. */
  get standstill(): string | null {
    const kind = this.page?.kind;
    return kind !== 'jobs' && (kind === 'job' || this.transport.detached) ? this.events.error : null;
  }

  /** What went wrong; null for nothing. */
  get trouble(): string | null {
    return this._trouble;
  }

  get asked(): IAsked | null {
    return this._asked;
  }

  get picking(): IPicking | null {
    return this._picking;
  }

  /** The code that is shown; null where none is. */
  get code(): string | null {
    const code = this._shows ? (this._code ?? this.page?.code() ?? '') : null;
    const url = this.model.get('_named') === true ? String(this.model.get('_root')) : '';
    return code === null || !url ? code : code.replace(/\b(JobService|Archive)\(\)/g, `$1(${literal(url)})`);
  }

  open(place: Place): void {
    this.page?.setVisible?.(false);
    this._pages.push(this._make(this, place));
    this._turn();
  }

  /** To the page before. */
  back(): void {
    const page = this._pages.pop();
    page?.setVisible?.(false);
    page?.dispose?.();
    this._turn();
  }

  /** Another page in place of this one. */
  replace(place: Place): void {
    const page = this._pages.pop();
    page?.dispose?.();
    this.open(place);
  }

  complain(sentence: string | null): void {
    this._trouble = sentence;
    this._changed.emit();
  }

  /** Show this code, or that of the page. */
  showCode(code: string | null = null): void {
    this._code = code;
    this._shows = true;
    this._changed.emit();
  }

  hideCode(): void {
    this._shows = false;
    this._changed.emit();
  }

  copy(text: string): void {
    // without HTTPS a browser may have no clipboard: then the text is there to be marked
    navigator.clipboard.writeText(text).catch(() => {
      this.showCode(text);
    });
  }

  /** Tell the kernel what was chosen here. */
  tell(name: string, value: unknown): void {
    if (JSON.stringify(this.model.get(name)) !== JSON.stringify(value)) {
      this.model.set(name, value);
      this.model.save_changes();
    }
  }

  /** A view of the widget has come, or gone: what none shows asks for nothing. */
  seen(step: 1 | -1): void {
    this._views += step;
    if (this._views > 0) {
      this.events.start();
    }
    this.page?.setVisible?.(this._views > 0);
  }

  dispose(): void {
    this._pages.forEach(page => page.dispose?.());
    this.events.dispose();
    this.transport.dispose();
    Signal.clearData(this);
  }

  private _turn(): void {
    this._code = null;
    this._picking = null;
    this._trouble = null;
    this.page?.setVisible?.(this._views > 0);
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _pages: IPage[] = [];
  private _views = 0;
  private _trouble: string | null = null;
  private _asked: IAsked | null = null;
  private _picking: IPicking | null = null;
  private _code: string | null = null;
  private _shows = false;
}
