/**
 * What a job has written, read in pieces while somebody looks: never whole.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../errors';
import { ILogPart } from './api';

/** Bytes read at once, and the most that is kept: the end of a long log. */
const PIECE = 128 * 1024;
const KEPT = 1024 * 1024;

export class Log {
  constructor(private readonly _read: (from: number, size: number) => Promise<ILogPart>) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get text(): string {
    return this._text;
  }

  /** Whether the text begins within the log. */
  get cut(): boolean {
    return this._cut;
  }

  get error(): string | null {
    return this._error;
  }

  /** Read what is new, at first the end of what there is; after what is being read already. */
  update(): Promise<void> {
    this._reading = this._reading.then(() => this._readNew());
    return this._reading;
  }

  private async _readNew(): Promise<void> {
    try {
      for (let more = true; more; ) {
        const part = await this._read(this._end ?? -PIECE, PIECE);
        this._cut ||= this._end === null && part.end > part.bytes.length;
        // a letter may be cut between two pieces
        this._text += this._decoder.decode(part.bytes, { stream: true });
        more = this._end !== null && part.bytes.length === PIECE;
        this._end = part.end;
        if (this._text.length > KEPT) {
          this._text = this._text.slice(this._text.indexOf('\n', this._text.length - KEPT) + 1);
          this._cut = true;
        }
      }
      this._error = null;
    } catch (error) {
      this._error = messageOf(error);
    }
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _decoder = new TextDecoder();
  private _text = '';
  private _cut = false;
  private _end: number | null = null;
  private _error: string | null = null;
  private _reading = Promise.resolve();
}
