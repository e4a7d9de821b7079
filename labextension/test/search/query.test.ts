import { describe, expect, it } from 'vitest';

import { countQuery, EMPTY_FORM, ISearchForm, named, pythonOf, queryOf, quoted, selectionQuery } from '../../src/search/query';
import { TargetNames } from '../../src/search/targets';

const CRAB = { name: 'Crab Nebula', aliases: ['Crab', 'M 1'], ra: 83.6331, dec: 22.0145, kind: 'PWN', reference: '' };
const NAMES = new TargetNames([CRAB], ['Sim Crab', "O'Neill field", 'Off']);

function where(change: Partial<ISearchForm>): readonly string[] {
  return queryOf({ ...EMPTY_FORM, productType: '', ...change }, NAMES).where;
}

describe('queryOf', () => {
  it('makes a cone of a name and of coordinates', () => {
    const cone = ['1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(83.633100, 22.014500, 2))'];
    expect(where({ target: 'm1' })).toEqual(cone);
    expect(where({ target: '83.6331 22.0145' })).toEqual(cone);
    expect(queryOf({ ...EMPTY_FORM, target: 'Crab' }, NAMES).cones).toEqual([{ ra: 83.6331, dec: 22.0145, radius: 2 }]);
  });

  it('finds what is near any of several targets', () => {
    const form = { ...EMPTY_FORM, target: 'Crab; ; 10 -20;off', productType: '' };
    const { where, cones, errors } = queryOf(form, NAMES);
    expect(where).toEqual([
      '(1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(83.633100, 22.014500, 2))\n' +
        '    OR 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(10.000000, -20.000000, 2))\n' +
        "    OR target_name = 'Off')"
    ]);
    expect(cones.map(cone => cone.ra)).toEqual([83.6331, 10]);
    expect(errors).toEqual({});
    expect(queryOf({ ...form, target: 'Crab; Crabb' }, NAMES).errors.target).toContain("'Crabb' is not known here");
    expect(queryOf({ ...form, target: '1 2;'.repeat(51) }, NAMES).errors.target).toContain('there are 51, allowed are at most 50');
    expect(queryOf({ ...form, target: ' ; ' }, NAMES).where).toEqual([]);
  });

  it('takes a name that only the archive knows as its target_name', () => {
    expect(where({ target: "o'neill field" })).toEqual(["target_name = 'O''Neill field'"]);
  });

  it('uses em_min and em_max, which are wavelengths: the lowest energy bounds the longest', () => {
    expect(where({ energyMin: '1', energyMax: '10' })).toEqual([
      'em_min <= 1.239841984e-18',
      'em_max >= 1.239841984e-19'
    ]);
  });

  it('finds what overlaps the interval', () => {
    expect(where({ start: 53340.5, stop: 53341 })).toEqual(['t_max >= 53340.50000000', 't_min <= 53341.00000000']);
  });

  it('quotes every choice', () => {
    const change = { collection: "x' OR 1=1 --", instrument: 'a\nb', productType: 'image', exposure: '600' };
    expect(where(change)).toEqual([
      "dataproduct_type = 'image'",
      "obs_collection = 'x'' OR 1=1 --'",
      "instrument_name = 'a b'",
      't_exptime >= 600'
    ]);
    expect(quoted("'")).toBe("''''");
  });

  it.each([
    [{ target: 'Crabb' }, 'target', "target: 'Crabb' is not known here"],
    [{ target: 'cra x' }, 'target', 'allowed are coordinates, too'],
    [{ target: 'Crab', radius: '200' }, 'radius', "radius: '200' is not a number above 0 and at most 180 deg"],
    [{ target: 'Crab', radius: '' }, 'radius', 'radius: it is empty'],
    [{ energyMin: '-1' }, 'energyMin', "energy: '-1' is not a number above 0 TeV"],
    [{ energyMin: '10', energyMax: '1' }, 'energyMax', 'the highest, 1 TeV, is below the lowest, 10 TeV'],
    [{ start: 2, stop: 1 }, 'stop', 'the end is before the start'],
    [{ exposure: 'long' }, 'exposure', "exposure: 'long' is not a number of 0 or more s"]
  ] as const)('tells at the field what is wrong: %j', (change, field, words) => {
    expect(queryOf({ ...EMPTY_FORM, ...change }, NAMES).errors[field]).toContain(words);
  });

  it('counts with the same conditions', () => {
    const query = queryOf({ ...EMPTY_FORM, productType: '', exposure: '5' }, NAMES);
    expect(countQuery(query)).toBe('SELECT COUNT(*) AS total FROM ivoa.obscore WHERE t_exptime >= 5');
    expect(countQuery('SELECT 1')).toContain('FROM (\nSELECT 1\n)');
  });
});

describe('code', () => {
  it('selects runs, and finds them again in Python', () => {
    expect(selectionQuery(['ivo://a?1', "b'"])).toContain("'ivo://a?1',\n  'b'''");
    const code = pythonOf('SELECT *', ['ivo://a?1']);
    expect(code).toContain('archive.adql("""SELECT *""")');
    expect(code).toContain('"ivo://a?1",');
    expect(pythonOf('SELECT *', [], '', 100_000)).toBe(pythonOf('SELECT *', []));
    expect(pythonOf('SELECT *', [], '', 100_001)).toContain('archive.adql("""SELECT *""", maxrec=100001)');
    expect(pythonOf('SELECT *', [], 'https://a/tap', 200_000)).toContain('run_sync("""SELECT *""", maxrec=200000)');
    const many = Array.from({ length: 10_001 }, (_, run) => String(run));
    for (const make of [selectionQuery, named, (dids: readonly string[]) => pythonOf('', dids)]) {
      expect(() => make(many)).toThrow('selection: 10001 runs are too many');
    }
    expect(pythonOf('SELECT *', ['ivo://a?1'], '', 0, 'store').split('\n').slice(-2)).toEqual([
      'store = archive.data_store(rows, "runs")  # their files, in the folder runs',
      'store.obs_table'
    ]);
    expect(pythonOf('SELECT *', [], 'https://a/tap', 0, 'samp')).toMatch(/to_table\(\)\n\nfrom .* import send_samp\n\nsend_samp\(rows\)$/);
    expect(pythonOf('SELECT """', [])).toContain('archive.adql("SELECT \\"\\"\\"")');
  });
});

describe('TargetNames', () => {
  it('suggests what begins so before what contains it', () => {
    expect(NAMES.suggest('crab').map(({ name }) => name)).toEqual(['Crab Nebula', 'Sim Crab']);
    expect(NAMES.suggest('M 1')[0]).toEqual({ name: 'Crab Nebula', detail: 'PWN, M 1' });
    expect(NAMES.suggest(' ')).toEqual([]);
  });
});
