import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { AGAIN, TIMES } from '../../src/widgets/asking';
import { DETACHED, IModel, KernelTransport } from '../../src/widgets/transport';

/** A message of the page. */
interface ISent {
  readonly kind: string;
  readonly id: string;
  readonly size?: number;
  readonly at?: number;
}

type Listener = (message: object, buffers: readonly DataView[]) => void;

/** The model of a widget, with a kernel that hears from `listening` on. */
class Model implements IModel {
  get(): unknown {
    return '';
  }

  set(): void {
    // nothing is set here
  }

  save_changes(): void {
    // nothing is kept here
  }

  on(name: string, callback: (...args: never[]) => void): void {
    this._listeners.set(name, callback as Listener);
  }

  send(content: object): void {
    this.sent.push(content as ISent);
    const { id, kind } = content as ISent;
    if (this.listening && kind !== 'body') {
      this.tell({ kind: 'taken', id });
    }
  }

  /** Questions and bodies, as `kind id`. */
  said(kind: string): ISent[] {
    return this.sent.filter(each => each.kind === kind);
  }

  tell(message: object, ...bytes: Uint8Array[]): void {
    this._listeners.get('msg:custom')?.(message, bytes.map(each => new DataView(each.buffer)));
  }

  restart(): void {
    this._listeners.get('comm_live_update')?.({}, []);
  }

  listening = false;
  readonly sent: ISent[] = [];
  private readonly _listeners = new Map<string, Listener>();
}

describe('questions to a kernel', () => {
  let model: Model;
  let transport: KernelTransport;
  let silences: boolean[];

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    model = new Model();
    transport = new KernelTransport(model, 'http://here/');
    silences = [];
    transport.silenceChanged.connect(() => silences.push(transport.silent));
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it('are asked once where the kernel hears', async () => {
    model.listening = true;
    const asked = transport.fetch(['uws']);
    await vi.advanceTimersByTimeAsync(10 * AGAIN);
    const id = model.said('request')[0]?.id;
    model.tell({ kind: 'head', id, status: 200 });
    model.tell({ kind: 'piece', id }, new TextEncoder().encode('jobs'));
    model.tell({ kind: 'end', id });
    expect(await (await asked).text()).toBe('jobs');
    expect(model.said('request')).toHaveLength(1);
    expect(silences).toEqual([]);
  });

  it('that were lost are asked again, with their body, under the same name', async () => {
    void transport.fetch(['uws', 'sleeper'], { method: 'POST', body: 'duration=1' });
    await vi.advanceTimersByTimeAsync(AGAIN - 1);
    expect(model.said('request')).toHaveLength(1);
    model.listening = true;
    await vi.advanceTimersByTimeAsync(10 * AGAIN);
    expect(model.said('body').map(({ at }) => at)).toEqual([0, 0]);
    expect(model.said('request').map(({ size }) => size)).toEqual([10, 10]);
    expect(new Set(model.sent.map(({ id }) => id)).size).toBe(1);
    expect(silences).toEqual([]);
  });

  it('that nobody hears are said to be so, and asked again when that is wanted', async () => {
    void transport.fetch(['uws']);
    transport.events();
    await vi.advanceTimersByTimeAsync((TIMES + 1) * AGAIN);
    expect(silences).toEqual([true]);
    await vi.advanceTimersByTimeAsync(10 * AGAIN);
    expect(model.said('request')).toHaveLength(TIMES + 1);
    expect(model.said('events')).toHaveLength(TIMES + 1);
    model.listening = true;
    transport.again();
    expect(silences).toEqual([true, false]);
    await vi.advanceTimersByTimeAsync(10 * AGAIN);
    expect(model.said('request')).toHaveLength(TIMES + 2);
    expect(model.said('events')).toHaveLength(TIMES + 2);
  });

  it('that go to a subshell nobody hears go to the main one then', async () => {
    const kernel = { commsOverSubshells: 'perCommTarget' };
    const widget = Object.assign(new Model(), { widget_manager: { kernel } });
    const asking = new KernelTransport(widget, 'http://here/');
    asking.silenceChanged.connect(() => silences.push(asking.silent));
    void asking.fetch(['uws']);
    asking.events();
    await vi.advanceTimersByTimeAsync((TIMES + 1) * AGAIN - 1);
    expect(kernel.commsOverSubshells).toBe('perCommTarget');
    await vi.advanceTimersByTimeAsync(1);
    expect(kernel.commsOverSubshells).toBe('disabled');
    expect([widget.said('request').length, widget.said('events').length]).toEqual([TIMES + 2, TIMES + 2]);
    expect(asking.silent).toBe(false);
    // the main one does not hear either
    await vi.advanceTimersByTimeAsync(10 * AGAIN);
    expect(asking.silent).toBe(true);
    expect(widget.said('request')).toHaveLength(2 * TIMES + 2);
  });

  it('that a busy kernel takes late are no trouble any more', async () => {
    const asked = transport.fetch(['uws']);
    await vi.advanceTimersByTimeAsync((TIMES + 1) * AGAIN);
    model.tell({ kind: 'failed', id: model.said('request')[0]?.id, message: 'away' });
    await expect(asked).rejects.toThrow('away');
    expect(silences).toEqual([true, false]);
  });

  it('end with their page, with the kernel, and when they are not wanted', async () => {
    const aborter = new AbortController();
    const aborted = expect(transport.fetch(['uws'], { signal: aborter.signal })).rejects.toThrow('Aborted');
    await vi.advanceTimersByTimeAsync(0);
    aborter.abort();
    await aborted;
    const asked = expect(transport.fetch(['uws'])).rejects.toThrow(DETACHED);
    transport.events().close();
    await vi.advanceTimersByTimeAsync(0);
    model.restart();
    await asked;
    await vi.advanceTimersByTimeAsync(10 * AGAIN);
    expect(model.said('request')).toHaveLength(2);
    expect(silences).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
