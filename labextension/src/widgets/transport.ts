/**
 * The service as the kernel reaches it: questions and answers are custom messages of the widget.
 *
 * To the kernel: `{kind: 'body', id, at}` with a piece of a body each, `{kind: 'request', id, size, method, path, query,
 * headers}`, or `{kind: 'request', id, of}` for a file of the kernel's own (`of: {given}` or `{path}`), `{kind: 'cancel', id}`, `{kind: 'events', id}`. From it: `{kind: 'taken', id}` at once, `{kind: 'head', id,
 * status, reason, headers}`, `{kind: 'piece', id}` with bytes, `{kind: 'end', id}`, `{kind: 'failed', id, message}`;
 * `{kind: 'opened'}`, `{kind: 'told', events}`, `{kind: 'lost', message}`.
 *
 * A question may be lost where the kernel has just begun, so it is asked again until it was taken; see `asking.ts`.
 */
import { ISignal } from '@lumino/signaling';

import { IEntry } from '../jobs/folder';
import { IGivenFile } from '../jobs/form';
import { KnownFile } from '../jobs/knownfile';
import { IEventSource, ITransport, quoted } from '../transport';
import { Asking } from './asking';

/** What is used of the widget's model; buffers come as views. */
export interface IModel {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(name: string, callback: (...args: never[]) => void): void;
  send(content: object, callbacks?: undefined, buffers?: ArrayBuffer[]): void;
  /** Of JupyterLab: how it sends the messages of widgets. */
  readonly widget_manager?: { readonly kernel?: { commsOverSubshells?: string } | null };
}

/** Addresses of the service's things in a page that cannot reach it: a click on such a link fetches by the kernel. */
const SCHEME = 'jupyter-uws:';
/** Bytes of a message: Jupyter's servers take no more than ten times that. */
const PIECE = 1 << 20;
const HEADERS = ['Accept', 'Content-Type', 'Range'];
const OPEN = 1;
const CLOSED = 2;
/** Statuses whose answers have no body. */
const EMPTY = [204, 205, 304];

export const DETACHED = "The kernel that made this widget has ended or was restarted: run the widget's cell again.";

interface IMessage {
  readonly kind: string;
  readonly id?: string;
  readonly status?: number;
  readonly reason?: string;
  readonly headers?: Record<string, string>;
  readonly message?: string;
  readonly events?: readonly { readonly kind: string }[];
}

/** An answer that says why its body breaks off. The browser itself would say "Failed to fetch". */
class Answer extends Response {
  reason: Error | null = null;

  override arrayBuffer(): Promise<ArrayBuffer> {
    return this._read(super.arrayBuffer());
  }

  override blob(): Promise<Blob> {
    return this._read(super.blob());
  }

  override json(): Promise<unknown> {
    return this._read(super.json());
  }

  override text(): Promise<string> {
    return this._read(super.text());
  }

  private async _read<T>(body: Promise<T>): Promise<T> {
    try {
      return await body;
    } catch (error) {
      throw this.reason ?? error;
    }
  }
}

/** A question that is under way. */
interface IPending {
  readonly resolve: (response: Response) => void;
  /** Once the answer has begun, its body ends with it. */
  fail: (error: Error) => void;
  body: ReadableStreamDefaultController<Uint8Array> | null;
}

export class KernelTransport implements ITransport {
  /** `root` is the URL of the service as the kernel knows it. */
  constructor(
    private readonly _model: IModel,
    private readonly _root: string
  ) {
    _model.on('msg:custom', (message: IMessage, buffers: readonly DataView[]) => {
      this._take(message, buffers);
    });
    _model.on('comm_live_update', () => {
      this._detach();
    });
    this._asking.changed.connect(() => {
      if (this._asking.silent && this._leaveSubshell()) {
        this.again();
      }
    });
  }

  async fetch(path: readonly string[], init: RequestInit = {}, query = ''): Promise<Response> {
    const { signal } = init;
    signal?.throwIfAborted();
    const bytes = init.body ? await new Response(init.body).arrayBuffer() : new ArrayBuffer(0);
    const given = new Headers(init.headers);
    const headers = Object.fromEntries(HEADERS.flatMap(name => (given.has(name) ? [[name, given.get(name)]] : [])));
    return this._ask({ method: init.method ?? 'GET', path, query, headers }, bytes, signal);
  }

  /** What is in a folder of the kernel's, by the way to it from the notebook's. */
  async folder(path: readonly string[]): Promise<IEntry[]> {
    return (await (await this._ask({ of: { path } })).json()) as IEntry[];
  }

  /** A file of the kernel's: in or below the notebook's folder, or given by Python for a parameter. */
  async kernelFile(of: { path: readonly string[] } | { given: string }, file: IGivenFile): Promise<KnownFile> {
    const blob = await (await this._ask({ of })).blob();
    return new KnownFile(blob, file.name, blob.type, file.path, file.code);
  }

  private async _ask(asked: object, bytes = new ArrayBuffer(0), signal?: AbortSignal | null): Promise<Response> {
    if (this._detached) {
      throw new Error(DETACHED);
    }
    const id = this._name();
    return new Promise((resolve, fail) => {
      this._pending.set(id, { resolve, fail, body: null });
      signal?.addEventListener('abort', () => {
        const pending = this._pending.get(id);
        if (pending) {
          this._pending.delete(id);
          this._asking.drop(id);
          this._model.send({ kind: 'cancel', id });
          pending.fail(new DOMException('Aborted', 'AbortError'));
        }
      });
      this._asking.ask(id, () => {
        for (let at = 0; at < bytes.byteLength; at += PIECE) {
          this._model.send({ kind: 'body', id, at }, undefined, [bytes.slice(at, at + PIECE)]);
        }
        this._model.send({ kind: 'request', id, size: bytes.byteLength, ...asked });
      });
    });
  }

  /** Emitted when `silent` changes. */
  get silenceChanged(): ISignal<unknown, void> {
    return this._asking.changed;
  }

  /** Whether the kernel has not taken a question for long. */
  get silent(): boolean {
    return this._asking.silent;
  }

  /** Whether the kernel of the widget is gone. */
  get detached(): boolean {
    return this._detached;
  }

  /** Whether the kernel has said anything at all. */
  get heard(): boolean {
    return this._heard;
  }

  /** Ask anew what was not taken. */
  again(): void {
    this._asking.again();
  }

  url(path: readonly string[], query = ''): string {
    return `${SCHEME}${quoted(path)}${query}`;
  }

  here(link: string): string {
    return link.startsWith(this._root) ? SCHEME + link.slice(this._root.length) : link;
  }

  async picture(address: string): Promise<string> {
    return this.isOwn(address) ? this._keep(await this.file(address)) : address;
  }

  events(): IEventSource {
    const source = new Source();
    this._source?.close();
    this._source = source;
    if (this._detached) {
      setTimeout(() => {
        source.lose(DETACHED);
      });
    } else {
      this._asking.drop(this._events);
      const id = (this._events = this._name());
      this._asking.ask(id, () => {
        this._model.send({ kind: 'events', id });
      });
    }
    return source;
  }

  /** Why there are no events now. */
  get loss(): string {
    return this._source?.reason ?? '';
  }

  /** Whether only the kernel can fetch what is at an address. */
  isOwn(address: string): boolean {
    return address.startsWith(SCHEME);
  }

  /** What is at one of these addresses. */
  async file(address: string): Promise<Blob> {
    const [path = '', query] = address.slice(SCHEME.length).split('?');
    const parts = path.split('/').map(decodeURIComponent);
    const response = await this.fetch(parts, {}, query === undefined ? '' : `?${query}`);
    if (!response.ok) {
      throw new Error(`The service answered ${response.status} ${response.statusText}`);
    }
    return response.blob();
  }

  dispose(): void {
    this._source?.close();
    this._detach();
    this._kept.forEach(address => {
      URL.revokeObjectURL(address);
    });
  }

  /**
   * JupyterLab sends the messages of widgets to a subshell that it shares between them. After a kernel died and was
   * started again by itself it may go on with the subshell of the dead one, which nobody hears. True if it did so far.
   */
  private _leaveSubshell(): boolean {
    const kernel = this._model.widget_manager?.kernel;
    if (!kernel?.commsOverSubshells || kernel.commsOverSubshells === 'disabled') {
      return false;
    }
    // a comm forgets a shared subshell only while there is a record of it; one of its own it forgets in any case
    kernel.commsOverSubshells = 'perComm';
    kernel.commsOverSubshells = 'disabled';
    return true;
  }

  private _keep(blob: Blob): string {
    const address = URL.createObjectURL(blob);
    this._kept.push(address);
    return address;
  }

  private _detach(): void {
    this._detached = true;
    this._asking.dropAll();
    const pending = [...this._pending.values()];
    this._pending.clear();
    pending.forEach(({ fail }) => {
      fail(new Error(DETACHED));
    });
    this._source?.lose(DETACHED);
  }

  private _take(message: IMessage, buffers: readonly DataView[]): void {
    this._heard = true;
    switch (message.kind) {
      case 'opened':
        this._source?.open();
        return;
      case 'told':
        this._source?.tell(message.events ?? []);
        return;
      case 'lost':
        this._source?.lose(message.message ?? '');
        return;
    }
    const id = message.id ?? '';
    this._asking.drop(id);
    const pending = this._pending.get(id);
    if (!pending) {
      return; // another page's, or cancelled
    }
    switch (message.kind) {
      case 'head':
        this._begin(pending, message);
        break;
      case 'piece':
        buffers.forEach(({ buffer, byteOffset, byteLength }) => {
          pending.body?.enqueue(new Uint8Array(buffer.slice(byteOffset, byteOffset + byteLength)));
        });
        break;
      case 'end':
        this._pending.delete(id);
        pending.body?.close();
        break;
      case 'failed':
        this._pending.delete(id);
        pending.fail(new Error(message.message));
    }
  }

  private _begin(pending: IPending, { status = 500, reason = '', headers = {} }: IMessage): void {
    const body = new ReadableStream<Uint8Array>({
      start: controller => {
        pending.body = controller;
      }
    });
    const answer = new Answer(EMPTY.includes(status) ? null : body, { status, statusText: reason, headers });
    pending.fail = error => {
      answer.reason = error;
      pending.body?.error(error);
    };
    pending.resolve(answer);
  }

  private _name(): string {
    return `${this._page}-${++this._count}`;
  }

  private readonly _asking = new Asking();
  private _events = '';
  private readonly _page = Math.random().toString(36).slice(2);
  private readonly _pending = new Map<string, IPending>();
  private readonly _kept: string[] = [];
  private _count = 0;
  private _detached = false;
  private _heard = false;
  private _source: Source | null = null;
}

/** The kernel's event stream as the browser's own would be. */
class Source implements IEventSource {
  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this._listeners.set(type, listener);
  }

  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;

  get readyState(): number {
    return this._state;
  }

  get reason(): string {
    return this._reason;
  }

  open(): void {
    if (this._state !== CLOSED) {
      this._state = OPEN;
      this.onopen?.();
    }
  }

  tell(events: readonly { readonly kind: string }[]): void {
    for (const event of events) {
      this._listeners.get(event.kind)?.(new MessageEvent(event.kind, { data: JSON.stringify(event) }));
    }
  }

  lose(reason: string): void {
    if (this._state !== CLOSED) {
      this._state = CLOSED;
      this._reason = reason;
      this.onerror?.();
    }
  }

  close(): void {
    this._state = CLOSED;
    this._listeners.clear();
  }

  private readonly _listeners = new Map<string, (event: MessageEvent<string>) => void>();
  private _state = 0;
  private _reason = '';
}
