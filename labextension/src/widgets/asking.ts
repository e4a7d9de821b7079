/**
 * Questions until they were taken: each is asked again some times, and then it is said that nobody listens.
 */
import { ISignal, Signal } from '@lumino/signaling';

/** Milliseconds until a question is asked again, and how often that is done. */
export const AGAIN = 3000;
export const TIMES = 3;

interface IQuestion {
  readonly send: () => void;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether it has been asked in vain, to the last. */
  silent: boolean;
}

export class Asking {
  /** Emitted when `silent` changes. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Whether a question was asked in vain. */
  get silent(): boolean {
    return [...this._questions.values()].some(question => question.silent);
  }

  /** Ask by `send`, which does no harm when it is done more than once. */
  ask(id: string, send: () => void): void {
    const question: IQuestion = { send, timer: undefined, silent: false };
    this._questions.set(id, question);
    this._send(question, TIMES);
  }

  /** The question was taken, or is not wanted any more. */
  drop(id: string): void {
    this._change(() => {
      clearTimeout(this._questions.get(id)?.timer);
      this._questions.delete(id);
    });
  }

  dropAll(): void {
    this._change(() => {
      this._questions.forEach(({ timer }) => {
        clearTimeout(timer);
      });
      this._questions.clear();
    });
  }

  /** Ask anew what was not taken. */
  again(): void {
    this._change(() => {
      for (const question of this._questions.values()) {
        clearTimeout(question.timer);
        question.silent = false;
        this._send(question, TIMES);
      }
    });
  }

  private _send(question: IQuestion, more: number): void {
    question.timer = setTimeout(() => {
      if (more > 0) {
        this._send(question, more - 1);
      } else {
        this._change(() => {
          question.silent = true;
        });
      }
    }, AGAIN);
    question.send();
  }

  private _change(act: () => void): void {
    const before = this.silent;
    act();
    if (this.silent !== before) {
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _questions = new Map<string, IQuestion>();
}
