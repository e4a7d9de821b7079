import { describe, expect, it } from 'vitest';

import { Baskets, IBasket, IBasketChange, IBasketEntry, IBasketService } from '../../src/baskets/model';
import { Table } from '../../src/grid/table';
import { IRemote } from '../../src/http';
import { IArchiveService, ILink, IRows, QueryError } from '../../src/search/api';
import { SearchModel } from '../../src/search/model';
import { INames } from '../../src/search/targets';

/** A table of texts, as answers have it. */
function tableOf(columns: Readonly<Record<string, readonly string[]>>): Table {
  const names = Object.keys(columns);
  const text = { datatype: 'char', arraysize: '*', unit: '', ucd: '', description: '' };
  const table = new Table(names.map(name => ({ name, ...text })));
  for (const column of table.columns) {
    if (column.kind === 'text') {
      column.values = [...(columns[column.field.name] ?? [])];
      table.rowCount = column.values.length;
    }
  }
  return table;
}

/** An archive in memory. */
class MemoryArchive implements IArchiveService {
  readonly asked: string[] = [];
  readonly others = new Map<string, MemoryArchive>();
  trouble: Error | null = null;
  tables = ['tap_schema.tables', 'ivoa.obscore'];
  overflow = false;
  resolver = '';
  readonly named: string[] = [];
  /** Answers wait for these, where there are any. */
  gates: Promise<void>[] = [];

  async rows(adql: string, maxrec: number | null): Promise<IRows> {
    this.asked.push(adql);
    await this.gates.shift();
    if (this.trouble !== null) {
      throw this.trouble;
    }
    if (adql.includes('TAP_SCHEMA')) {
      const table = tableOf({ table_name: this.tables, column_name: ['table_name', 's_ra'] });
      return { table, overflow: false };
    }
    const distinct = /^SELECT DISTINCT (\w+)/.exec(adql)?.[1];
    if (distinct !== undefined) {
      return { table: tableOf({ [distinct]: [`a ${distinct}`] }), overflow: false };
    }
    if (adql.startsWith('SELECT COUNT')) {
      const counts = new Table([
        { name: 'total', datatype: 'long', arraysize: '', unit: '', ucd: '', description: '' }
      ]);
      counts.numbers('total')?.set([1661]);
      counts.rowCount = 1;
      return { table: counts, overflow: false };
    }
    const dids = ['ivo://a?1', 'ivo://a?2', 'ivo://a?1'];
    const overflow = this.overflow && (maxrec ?? 0) < 1_000_000;
    return { table: tableOf({ obs_id: ['1', '2', '1'], obs_publisher_did: dids }), overflow };
  }

  sources(name = ''): Promise<INames> {
    this.named.push(name);
    if (this.trouble !== null) {
      return Promise.reject(this.trouble);
    }
    const found = { name: '3C 273', aliases: [], ra: 187.2779, dec: 2.0524, kind: 'QSO', reference: 'CDS Sesame, Simbad: 3C 273' };
    return Promise.resolve({ targets: name === '' ? [] : [found], resolver: this.resolver });
  }

  links(did: string): Promise<ILink[]> {
    return did.endsWith('2') ? Promise.reject(new Error('gone')) : Promise.resolve([]);
  }

  file(): Promise<Blob> {
    return Promise.resolve(new Blob());
  }

  remotes(): Promise<IRemote[]> {
    return Promise.resolve([...this.others.keys()].map(name => ({ name, kind: 'tap', title: name, url: `https://${name}` })));
  }

  at(remote: IRemote | null): MemoryArchive {
    return (remote && this.others.get(remote.name)) ?? this;
  }
}

describe('SearchModel', () => {
  it('begins with the settings, and keeps what was begun', async () => {
    const service = new MemoryArchive();
    service.others.set('far', new MemoryArchive());
    const formats = { dates: false, energies: true, sexagesimal: true };
    const model = new SearchModel(service);
    model.setDefaults({ service: 'far', radius: 0.5, rows: 10, hidden: ['obs_id'], ...formats });
    await model.load();
    expect([model.remote?.name, model.form.radius, [...model.rows.hidden]]).toEqual(['far', '0.5', ['obs_id']]);
    expect(model.rows.formats).toEqual(formats);
    model.setForm({ target: 'Crab', radius: '1' });
    model.setDefaults({ service: '', radius: 3, rows: 10, hidden: [], ...formats });
    expect([model.remote?.name, model.form.target, model.form.radius]).toEqual(['far', 'Crab', '1']);
    model.clearForm();
    expect(model.form.radius).toBe('3');

    const again = new SearchModel(service);
    again.setDefaults({ service: 'far', radius: 3, rows: 10, hidden: [], ...formats });
    again.restore({ service: '' });
    await again.load();
    expect(again.remote).toBeNull();
  });

  it('asks another service with its own tables, and comes back', async () => {
    const service = new MemoryArchive();
    const [far, catalogues] = [new MemoryArchive(), new MemoryArchive()];
    catalogues.tables = ['tap_schema.tables', 'main.stars'];
    service.others.set('far', far).set('catalogues', catalogues);
    const model = new SearchModel(service);
    await model.load();
    expect(model.remotes.map(remote => remote.name)).toEqual(['far', 'catalogues']);
    expect(model.adql).not.toContain('access_url');
    await model.setService('far');
    await model.run();
    expect(far.asked).toHaveLength(2);
    expect(far.asked[1]).toContain('access_url');
    expect(model.state.service).toBe('far');

    await model.setService('catalogues');
    expect(model.hasObscore).toBe(false);
    expect(model.result).toBeNull();
    expect(model.adql).toBe('SELECT TOP 100 *\nFROM main.stars');

    const hasty = new SearchModel(service);
    hasty.restore({ service: 'far' });
    const loading = hasty.load();
    await hasty.run();
    await loading;
    expect(far.asked.at(-1)).toContain('ORDER BY t_min');

    const again = new SearchModel(service);
    again.restore(model.state);
    await again.load();
    expect(again.remote?.name).toBe('catalogues');
    await again.setService('');
    expect([again.remote, again.hasObscore, again.isEdited]).toEqual([null, true, false]);
  });

  it('learns what there is, and says where it could not', async () => {
    const service = new MemoryArchive();
    const model = new SearchModel(service);
    service.trouble = new Error('connection refused');
    await model.load();
    expect([model.unreachable, model.isReady]).toEqual(['connection refused', false]);
    service.trouble = null;
    await model.load();
    expect([model.unreachable, model.isReady]).toEqual([null, true]);
    expect(model.choices.collections).toEqual(['a obs_collection']);
    expect(model.names.findObserved('A TARGET_NAME')).toBe('a target_name');
    // the archive's own tables come first
    expect(model.schema.map(table => table.name)).toEqual(['ivoa.obscore', 'tap_schema.tables']);
  });

  it('asks the resolver for a name when told to, and only where there is one', async () => {
    const service = new MemoryArchive();
    const alone = new SearchModel(service);
    await alone.load();
    alone.setForm({ target: '3C273' });
    await alone.askResolver();
    expect([alone.resolver, service.named]).toEqual(['', ['']]);

    service.resolver = 'sesame.org';
    const model = new SearchModel(service);
    await model.load();
    for (const target of ['', '83.63 22.01', '83.63 122', 'a target_name']) {
      model.setForm({ target });
      expect(model.resolver, target).toBe('');
    }
    model.setForm({ target: '3C273' });
    expect(model.query.errors.target).toContain('not known here');
    expect([model.resolver, model.lookUp]).toEqual(['sesame.org', null]);
    service.trouble = new Error('sesame.org cannot be reached');
    await model.askResolver();
    expect(model.lookUp?.error).toBe('sesame.org cannot be reached');
    model.setForm({ target: '3C27' });
    expect(model.lookUp).toBeNull();
    model.setForm({ target: '3C273' });
    service.trouble = null;
    const asking = model.askResolver();
    expect(model.lookUp?.error).toBeNull();
    await Promise.all([asking, model.askResolver()]);
    expect(service.named.slice(2)).toEqual(['3C273', '3C273']);
    expect([model.lookUp, model.resolver, model.origin]).toEqual([null, '', 'QSO · CDS Sesame, Simbad: 3C 273']);
    expect(model.adql).toContain('CIRCLE(187.277900, 2.052400, 2)');

    const again = new SearchModel(new MemoryArchive());
    again.restore(JSON.parse(JSON.stringify(model.state)) as typeof model.state);
    await again.load();
    expect(again.adql).toBe(model.adql);
  });

  it('follows the form until it is edited by hand, and can go back', async () => {
    const model = new SearchModel(new MemoryArchive());
    model.setForm({ exposure: '60' });
    expect(model.adql).toContain('t_exptime >= 60');
    model.setAdql('SELECT 1');
    model.setForm({ exposure: '600' });
    expect([model.adql, model.isEdited]).toEqual(['SELECT 1', true]);
    await model.run();
    expect(model.result?.cone).toBeNull();
    model.setAdql(null);
    expect(model.adql).toContain('t_exptime >= 600');
    model.setAdql(model.query.adql);
    expect(model.isEdited).toBe(false);
  });

  it('sends nothing while a field is wrong', async () => {
    const service = new MemoryArchive();
    const model = new SearchModel(service);
    model.setForm({ radius: '-1' });
    await model.run();
    expect(service.asked).toEqual([]);
  });

  it('counts what was cut off, and gets all', async () => {
    const service = new MemoryArchive();
    service.overflow = true;
    const model = new SearchModel(service);
    await model.run();
    expect(model.result).toMatchObject({ overflow: true, total: 1661 });
    await model.runAll();
    expect(model.result).toMatchObject({ overflow: false, total: 3 });
  });

  it('keeps the old rows beside an error, with its place', async () => {
    const service = new MemoryArchive();
    const model = new SearchModel(service);
    await model.run();
    service.trouble = new QueryError('line 2, column 7: there is no column x');
    await model.run();
    expect(model.failure).toMatchObject({ line: 2, column: 7, isQuery: true });
    service.trouble = new Error('503');
    await model.run();
    expect(model.failure).toMatchObject({ line: null, isQuery: false, message: '503' });
    expect(model.result?.table.rowCount).toBe(3);
    expect(model.isRunning).toBe(false);
  });

  it('shows the answer to the last query, whichever comes first', async () => {
    const service = new MemoryArchive();
    const model = new SearchModel(service);
    let free: () => void = () => undefined;
    service.gates = [
      new Promise(resolve => {
        free = resolve;
      })
    ];
    model.setAdql('SELECT slow');
    const slow = model.run();
    model.setAdql('SELECT quick');
    await model.run();
    free();
    await slow;
    expect(model.result?.adql).toBe('SELECT quick');
    expect(model.state.recent).toEqual(['SELECT quick', 'SELECT slow']);
  });

  it('opens the links of a row, and names each run of a selection once', async () => {
    const model = new SearchModel(new MemoryArchive());
    await model.run();
    await model.open(0);
    expect(model.opened).toMatchObject({ did: 'ivo://a?1', links: [], error: null });
    await model.open(1);
    expect(model.opened).toMatchObject({ did: 'ivo://a?2', links: null, error: 'gone' });
    model.rows.selection.select([0, 1, 2]);
    expect(model.selectedDids()).toEqual(['ivo://a?1', 'ivo://a?2']);
  });

  it('comes back as it was', () => {
    const model = new SearchModel(new MemoryArchive());
    model.setForm({ target: '83.63 22.01', start: 53340.5 });
    model.setAdql('SELECT 1');
    model.save('mine');
    const again = new SearchModel(new MemoryArchive());
    again.restore(JSON.parse(JSON.stringify(model.state)) as typeof model.state);
    expect(again.state).toEqual(model.state);
    expect(again.adql).toBe('SELECT 1');
    again.restore({});
    expect(again.isEdited).toBe(false);
  });
});

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
