/**
 * The user's baskets, kept by the service: named lists of runs.
 */
import { ISignal, Signal } from '@lumino/signaling';

import { messageOf } from '../errors';
import { request } from '../http';
import { ITransport } from '../transport';

export interface IBasketEntry {
  readonly name: string;
  readonly count: number;
  /** ISO 8601, UTC. */
  readonly modified: string;
}

export interface IBasket {
  readonly name: string;
  readonly obs_publisher_dids: readonly string[];
  readonly note: string;
  readonly modified: string;
}

/** A change: runs to add and to remove, another name. */
export interface IBasketChange {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly name?: string;
}

/** What the model needs of the service. Every method rejects with a readable error. */
export interface IBasketService {
  list(): Promise<IBasketEntry[]>;
  get(name: string): Promise<IBasket>;
  change(name: string, change: IBasketChange): Promise<IBasket>;
  delete(name: string): Promise<void>;
}

export class BasketService implements IBasketService {
  constructor(private readonly _transport: ITransport) {}

  async list(): Promise<IBasketEntry[]> {
    const response = await request(this._transport, ['baskets']);
    return ((await response.json()) as { baskets: IBasketEntry[] }).baskets;
  }

  async get(name: string): Promise<IBasket> {
    return (await (await request(this._transport, ['baskets', name])).json()) as IBasket;
  }

  async change(name: string, change: IBasketChange): Promise<IBasket> {
    const init = { method: 'PATCH', body: JSON.stringify(change), headers: { 'Content-Type': 'application/json' } };
    return (await (await request(this._transport, ['baskets', name], init)).json()) as IBasket;
  }

  async delete(name: string): Promise<void> {
    await request(this._transport, ['baskets', name], { method: 'DELETE' });
  }
}

export class Baskets {
  constructor(private readonly _service: IBasketService) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get entries(): readonly IBasketEntry[] {
    return this._entries;
  }

  /** What went wrong last; null after what did not. */
  get error(): string | null {
    return this._error;
  }

  load(): Promise<void> {
    return this._do(() => Promise.resolve());
  }

  /** Put runs into a basket, which is made where there is none of that name. */
  add(name: string, dids: readonly string[]): Promise<void> {
    return this._do(() => this._service.change(name, { add: dids }));
  }

  remove(name: string, dids: readonly string[]): Promise<void> {
    return this._do(() => this._service.change(name, { remove: dids }));
  }

  rename(name: string, to: string): Promise<void> {
    return this._do(() => this._service.change(name, { name: to }));
  }

  delete(name: string): Promise<void> {
    return this._do(() => this._service.delete(name));
  }

  /** The runs of a basket; null where they could not be read: `error` tells. */
  async open(name: string): Promise<readonly string[] | null> {
    let found: readonly string[] | null = null;
    await this._do(async () => {
      found = (await this._service.get(name)).obs_publisher_dids;
    });
    return found;
  }

  /** Never rejects: `error` tells. */
  private async _do(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
      this._entries = await this._service.list();
      this._error = null;
    } catch (error) {
      this._error = messageOf(error);
    }
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _entries: readonly IBasketEntry[] = [];
  private _error: string | null = null;
}
