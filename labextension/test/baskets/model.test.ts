import { describe, expect, it } from 'vitest';

import { Baskets, IBasket, IBasketChange, IBasketEntry, IBasketService } from '../../src/baskets/model';

class MemoryBaskets implements IBasketService {
  readonly kept = new Map<string, string[]>();

  list(): Promise<IBasketEntry[]> {
    return Promise.resolve([...this.kept].map(([name, dids]) => ({ name, count: dids.length, modified: '' })));
  }

  get(name: string): Promise<IBasket> {
    return Promise.resolve({ name, obs_publisher_dids: this.kept.get(name) ?? [], note: '', modified: '' });
  }

  change(name: string, change: IBasketChange): Promise<IBasket> {
    if (change.name !== undefined && this.kept.has(change.name)) {
      return Promise.reject(new Error(`there is a basket '${change.name}' already`));
    }
    this.kept.set(change.name ?? name, [...(this.kept.get(name) ?? []), ...(change.add ?? [])]);
    return this.get(name);
  }

  delete(name: string): Promise<void> {
    this.kept.delete(name);
    return Promise.resolve();
  }
}

describe('Baskets', () => {
  it('shows what the service keeps after each change, and why one was not made', async () => {
    const baskets = new Baskets(new MemoryBaskets());
    await baskets.add('Crab', ['a', 'b']);
    await baskets.add('Vela', ['c']);
    expect(baskets.entries.map(entry => [entry.name, entry.count])).toEqual([
      ['Crab', 2],
      ['Vela', 1]
    ]);
    await baskets.rename('Crab', 'Vela');
    expect(baskets.error).toBe("there is a basket 'Vela' already");
    expect(await baskets.open('Crab')).toEqual(['a', 'b']);
    expect(baskets.error).toBeNull();
    await baskets.delete('Crab');
    expect(baskets.entries).toHaveLength(1);
  });
});
