import { describe, expect, it } from 'vitest';

import { SearchModel } from '../../src/search/model';
import { MemoryArchive } from './memory';

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
    expect(model.answer.result).toBeNull();
    expect(model.adql).toBe('SELECT TOP 100 *\nFROM main.stars');

    const hasty = new SearchModel(service);
    hasty.restore({ service: 'far' });
    const loading = hasty.load();
    await hasty.run();
    await loading;
    expect(far.asked.at(-1)).toContain('FROM ivoa.obscore');

    const again = new SearchModel(service);
    again.restore(model.state);
    await again.load();
    expect(again.remote?.name).toBe('catalogues');
    await again.setService('');
    expect([again.remote, again.hasObscore, again.isEdited]).toEqual([null, true, false]);
  });

  it('never shows the rows of one service as those of another', async () => {
    const service = new MemoryArchive();
    const far = new MemoryArchive();
    service.others.set('far', far);
    const model = new SearchModel(service);
    await model.load();
    await model.run();
    expect(model.rows.table?.rowCount).toBe(3);
    far.trouble = new Error('connection refused');
    await model.setService('far');
    expect([model.unreachable, model.answer.result]).toEqual(['connection refused', null]);
    await model.run();
    expect([model.answer.result, model.answer.failure?.message]).toEqual([null, 'connection refused']);
    expect(far.asked.at(-1)).toContain('FROM ivoa.obscore');
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
    expect(model.lookUp.names.findObserved('A TARGET_NAME')).toBe('a target_name');
    // the archive's own tables come first
    expect(model.schema.map(table => table.name)).toEqual(['ivoa.obscore', 'tap_schema.tables']);
  });

  it('follows the form until it is edited by hand, and can go back', async () => {
    const model = new SearchModel(new MemoryArchive());
    model.setForm({ exposure: '60' });
    expect(model.adql).toContain('t_exptime >= 60');
    model.setAdql('SELECT 1');
    model.setForm({ exposure: '600' });
    expect([model.adql, model.isEdited]).toEqual(['SELECT 1', true]);
    await model.run();
    expect(model.answer.result?.cones).toEqual([]);
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

  it('opens the links of a row, and names each run of a selection once', async () => {
    const model = new SearchModel(new MemoryArchive());
    await model.run();
    await model.open(0);
    expect(model.opened.value).toMatchObject({ did: 'ivo://a?1', links: [], error: null });
    await model.open(1);
    expect(model.opened.value).toMatchObject({ did: 'ivo://a?2', links: null, error: 'gone' });
    model.rows.selection.select([0, 1, 2]);
    expect(model.selectedDids()).toEqual(['ivo://a?1', 'ivo://a?2']);
  });

  it('comes back as it was', () => {
    const model = new SearchModel(new MemoryArchive());
    model.setForm({ target: '83.63 22.01', start: 53340.5 });
    model.setAdql('SELECT 1');
    model.save('other', 'SELECT 2');
    model.save('mine');
    expect(model.state.saved.map(query => query.adql)).toEqual(['SELECT 2', 'SELECT 1']);
    model.forget('other');
    const again = new SearchModel(new MemoryArchive());
    again.restore(JSON.parse(JSON.stringify(model.state)) as typeof model.state);
    expect(again.state).toEqual(model.state);
    expect(again.adql).toBe('SELECT 1');
    again.restore({});
    expect(again.isEdited).toBe(false);
  });
});
