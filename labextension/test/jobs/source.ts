import { IEventSource } from '../../src/transport';

/** A stream that the test speaks through. */
export class Source implements IEventSource {
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readyState = 1;
  private readonly _listeners = new Map<string, (event: MessageEvent<string>) => void>();

  addEventListener(type: string, listener: (event: MessageEvent<string>) => void): void {
    this._listeners.set(type, listener);
  }

  say(type: string, data: object = {}): void {
    this._listeners.get(type)?.(new MessageEvent(type, { data: JSON.stringify(data) }));
  }

  close(): void {
    this.readyState = 2;
  }
}
