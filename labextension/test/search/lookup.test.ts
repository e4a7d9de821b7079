import { describe, expect, it } from 'vitest';

import { LookUp } from '../../src/search/lookup';
import { SearchModel } from '../../src/search/model';
import { MemoryArchive } from './memory';

async function looking(service: MemoryArchive): Promise<LookUp> {
  const lookUp = new LookUp(service, () => undefined);
  lookUp.setNames(await service.sources(), ['a target_name']);
  return lookUp;
}

describe('LookUp', () => {
  it('asks nobody where the operator named nobody', async () => {
    const service = new MemoryArchive();
    const lookUp = await looking(service);
    await lookUp.ask('3C273');
    expect([lookUp.resolver('3C273'), service.named]).toEqual(['', ['']]);
  });

  it('asks for a name that is not known, once, and remembers it', async () => {
    const service = new MemoryArchive();
    service.resolver = 'sesame.org';
    const lookUp = await looking(service);
    for (const known of ['', '83.63 22.01', '83.63 122', 'a target_name']) {
      expect(lookUp.resolver(known), known).toBe('');
    }
    expect([lookUp.resolver('3C273'), lookUp.asked('3C273')]).toEqual(['sesame.org', null]);
    service.trouble = new Error('sesame.org cannot be reached');
    await lookUp.ask('3C273');
    expect(lookUp.asked('3C273')?.error).toBe('sesame.org cannot be reached');
    expect(lookUp.asked('3C27')).toBeNull();
    service.trouble = null;
    const asking = lookUp.ask('3C273');
    expect(lookUp.asked('3C273')?.error).toBeNull();
    await Promise.all([asking, lookUp.ask('3C273')]);
    expect(service.named.slice(2)).toEqual(['3C273']);
    expect([lookUp.asked('3C273'), lookUp.resolver('3C273')]).toEqual([null, '']);
    expect(lookUp.origin('3C273')).toBe('QSO · CDS Sesame, Simbad: 3C 273');
  });

  it('gives a search the position, also after a reload', async () => {
    const service = new MemoryArchive();
    service.resolver = 'sesame.org';
    const model = new SearchModel(service);
    await model.load();
    model.setForm({ target: '3C273' });
    expect(model.query.errors.target).toContain('not known here');
    await model.lookUp.ask('3C273');
    expect(model.adql).toContain('CIRCLE(187.277900, 2.052400, 2)');

    const again = new SearchModel(new MemoryArchive());
    again.restore(JSON.parse(JSON.stringify(model.state)) as typeof model.state);
    await again.load();
    expect(again.adql).toBe(model.adql);
  });
});
