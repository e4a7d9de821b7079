import { describe, expect, it } from 'vitest';

import { axisOf, covered, overlapping, ticks } from '../../src/grid/coverage';
import { Rows } from '../../src/grid/rows';
import { sorted } from '../../src/grid/sorting';
import { filtered, IField, Table } from '../../src/grid/table';
import { VotableReader } from '../../src/grid/votable';
import { bytes, json } from '../formats/fixtures';

const FIELDS = `<FIELD name="obs_id" datatype="char" arraysize="*" ucd="meta.id"><DESCRIPTION>a name</DESCRIPTION></FIELD>
<FIELD name="t" datatype="double" unit="d"/><FIELD name="n" datatype="long"/><FIELD name="ok" datatype="boolean"/>`;
const OK = '<INFO name="QUERY_STATUS" value="OK"/>';

function votable(data: string, after = ''): string {
  return `<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">${OK}<TABLE>${FIELDS}${data}</TABLE>${after}</RESOURCE></VOTABLE>`;
}

/** Rows of FIELDS as BINARY2; null makes a null. */
function binary2(rows: readonly (readonly [string | null, number | null, number | null, boolean | null])[]): string {
  const bytes: number[] = [];
  const number = (write: (view: DataView) => void): void => {
    const view = new DataView(new ArrayBuffer(8));
    write(view);
    bytes.push(...new Uint8Array(view.buffer));
  };
  for (const row of rows) {
    bytes.push(row.reduce<number>((mask, value, place) => mask | (value === null ? 0x80 >> place : 0), 0));
    const text = new TextEncoder().encode(row[0] ?? '');
    bytes.push(0, 0, text.length >> 8, text.length & 255, ...text);
    number(view => {
      view.setFloat64(0, row[1] ?? NaN);
    });
    number(view => {
      view.setBigInt64(0, BigInt(row[2] ?? 0));
    });
    bytes.push(row[3] ? 84 : 70);
  }
  return btoa(String.fromCharCode(...bytes)).replace(/(.{64})/g, '$1\n');
}

const ROWS = [
  ['Möwe & <b>', 53340.5, -7, true],
  [null, null, null, null],
  ['', 1e-300, 9007199254740991, false]
] as const;
const STREAM = votable(`<DATA><BINARY2><STREAM encoding="base64">\n${binary2(ROWS)}</STREAM></BINARY2></DATA>`);

function read(text: string, size: number): VotableReader {
  const reader = new VotableReader();
  for (let at = 0; at < text.length; at += size) {
    reader.push(text.slice(at, at + size));
  }
  return reader;
}

describe('VotableReader', () => {
  it.each([1, 7, 100, 1e6])('reads BINARY2 cut into pieces of %d', size => {
    const reader = read(STREAM, size);
    expect(reader.end()).toEqual({ overflow: false, error: null });
    const { table } = reader;
    expect(table?.rowCount).toBe(3);
    expect(table?.texts('obs_id')).toEqual(['Möwe & <b>', '', '']);
    expect([...(table?.numbers('t') ?? [])].slice(0, 3)).toEqual([53340.5, NaN, 1e-300]);
    expect([...(table?.numbers('n') ?? [])].slice(0, 3)).toEqual([-7, NaN, 9007199254740991]);
    expect(table?.texts('OK')).toEqual(['true', '', 'false']);
    expect(table?.fields[0]).toMatchObject({ ucd: 'meta.id', description: 'a name' });
  });

  it('reads TABLEDATA', () => {
    const reader = read(votable('<DATA><TABLEDATA><TR><TD>a &amp; b</TD><TD>1.5</TD><TD/><TD>T</TD></TR></TABLEDATA></DATA>'), 50);
    expect(reader.end().error).toBeNull();
    expect(reader.table?.texts('obs_id')).toEqual(['a & b']);
    expect(reader.table?.numbers('n')?.[0]).toBeNaN();
  });

  it('tells of an overflow and of an error after the rows', () => {
    const tail = (value: string): string => `<INFO name="QUERY_STATUS" value="${value}">disk full</INFO>`;
    const rows = `<DATA><BINARY2><STREAM encoding="base64">${binary2(ROWS)}</STREAM></BINARY2></DATA>`;
    expect(read(votable(rows, tail('OVERFLOW')), 99).end().overflow).toBe(true);
    expect(read(votable(rows, tail('ERROR')), 99).end().error).toBe('disk full');
  });

  it('tells an error where there are no rows', () => {
    const text = '<VOTABLE><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">line 1</INFO></RESOURCE></VOTABLE>';
    expect(read(text, 10).end()).toEqual({ overflow: false, error: 'line 1' });
  });

  it.each([STREAM.slice(0, STREAM.indexOf('</STREAM>') - 20), 'Not a VOTable', ''])('refuses what broke off', text => {
    expect(() => read(text, 64).end()).toThrow(/broke off|not a VOTable/);
  });
});

function field(name: string, datatype: string): IField {
  return { name, datatype, arraysize: datatype === 'char' ? '*' : '', unit: '', ucd: '', description: '' };
}

function example(): Table {
  const table = new Table([field('name', 'char'), field('t_exptime', 'double')]);
  const names = ['Crab', 'Off 10', '', 'Off 9'];
  const times = [1680, NaN, 900, 1200];
  table.reserve(4);
  names.forEach((name, row) => {
    const [text, time] = table.columns;
    if (text?.kind === 'text' && time?.kind === 'number') {
      text.values[row] = name;
      time.values[row] = times[row] ?? NaN;
    }
  });
  table.rowCount = 4;
  return table;
}

describe('rows', () => {
  it('sorts numbers and texts, nulls always last', () => {
    const [table, all] = [example(), Int32Array.of(0, 1, 2, 3)];
    expect([...sorted(table, all, 't_exptime', false)]).toEqual([2, 3, 0, 1]);
    expect([...sorted(table, all, 't_exptime', true)]).toEqual([0, 3, 2, 1]);
    expect([...sorted(table, all, 'name', false)]).toEqual([0, 3, 1, 2]);
    expect([...sorted(table, all, 'name', true)]).toEqual([1, 3, 0, 2]);
  });

  it('sorts by sign and size, equal rows as they were', () => {
    const table = new Table([field('x', 'double')]);
    const values = [0, -1e300, NaN, 5e-324, -0, Infinity, -5e-324, 1e300, -Infinity, -2, 0, 3];
    table.numbers('x')?.set(values);
    table.rowCount = values.length;
    const all = filtered(table, '');
    const up = [8, 1, 9, 6, 0, 4, 10, 3, 11, 7, 5, 2];
    expect([...sorted(table, all, 'x', false)]).toEqual(up);
    expect([...sorted(table, all, 'x', true)]).toEqual([5, 7, 11, 3, 0, 4, 10, 6, 9, 1, 8, 2]);
    expect([...sorted(table, Int32Array.of(11, 2, 9), 'x', false)]).toEqual([9, 11, 2]);
  });

  it.each([
    ['serial numbers', (row: number) => `ivo://a/b?${row}`, [30, 31, 200, 25_000]],
    ['words with numbers', (row: number) => `${row % 2 ? 'B' : 'a'} ${row}`, [30, 200, 25_000, 31]]
  ])('sorts very many different %s as people would', (_, name, expected) => {
    const table = new Table([field('name', 'char')]);
    const texts = table.columns[0]?.kind === 'text' ? table.columns[0].values : [];
    for (let row = 0; row <= 30_000; row++) {
      texts.push(row === 7 ? '' : name(row));
    }
    table.rowCount = texts.length;
    expect([...sorted(table, Int32Array.of(25_000, 7, 200, 31, 30), 'name', false)]).toEqual([...expected, 7]);
    expect([...sorted(table, Int32Array.of(25_000, 7, 200, 31, 30), 'name', true)]).toEqual([...[...expected].reverse(), 7]);
  });

  it('filters by words in columns of very many texts', () => {
    const table = new Table([field('name', 'char')]);
    const texts = table.columns[0]?.kind === 'text' ? table.columns[0].values : [];
    for (let row = 0; row < 9000; row++) {
      texts.push(`Run ${row}`);
    }
    table.rowCount = texts.length;
    expect([...filtered(table, 'run 899')]).toEqual([899, 8990, 8991, 8992, 8993, 8994, 8995, 8996, 8997, 8998, 8999]);
    expect(filtered(table, 'run').length).toBe(9000);
  });

  it('filters by words and conditions', () => {
    expect([...filtered(example(), 'off')]).toEqual([1, 3]);
    expect([...filtered(example(), 'f 1')]).toEqual([1]);
    expect([...filtered(example(), 'o.f')]).toEqual([]);
    expect([...filtered(example(), 't_exptime >= 1200, off')]).toEqual([3]);
    expect([...filtered(example(), "name = 'crab'")]).toEqual([0]);
    expect(() => filtered(example(), 'length > 3')).toThrow("filter: there is no column 'length'");
    expect(() => filtered(example(), 't_exptime > x')).toThrow("'x' is no number");
  });

  it('keeps the selection while order and filter change', () => {
    const rows = new Rows();
    rows.show(example(), 't_min');
    expect(rows.sort).toBeNull();
    rows.show(example(), 'name');
    expect([rows.sort?.column, ...rows.order]).toEqual(['name', 0, 3, 1, 2]);
    rows.selection.select([1, 3]);
    rows.sortBy('t_exptime');
    rows.sortBy('t_exptime');
    rows.setFilter('off');
    expect([...rows.order]).toEqual([3, 1]);
    expect(rows.selection.rows()).toEqual([1, 3]);
    rows.setFilter('length > 3');
    expect(rows.filterError).toContain('no column');
    expect(rows.order).toHaveLength(4);
  });

  it('selects in all four ways, and tells once each time', () => {
    const { selection } = new Rows();
    selection.resize(5);
    let told = 0;
    selection.changed.connect(() => told++);
    selection.select([0, 1]);
    selection.select([2], 'add');
    selection.select([1, 4], 'toggle');
    selection.select([0, 99], 'remove');
    expect(selection.rows()).toEqual([2, 4]);
    expect([selection.count, told]).toEqual([2, 4]);
  });
});

describe('coverage', () => {
  const intervals = { low: Float64Array.of(0, 5, NaN, 9), high: Float64Array.of(4, 9.9, 3, 10), count: 4 };

  it('counts the rows over each bin', () => {
    const found = axisOf(intervals, 10);
    expect([found?.min, found?.max]).toEqual([0, 10]);
    expect([...(found?.all ?? [])]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
    expect([...(found === null ? [] : covered(found, row => row === 1))]).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
    expect(axisOf({ ...intervals, count: 0 }, 10)).toBeNull();
  });

  it('finds what overlaps a brush', () => {
    expect(overlapping(intervals, 4, 5)).toEqual([0, 1]);
    expect(overlapping(intervals, 9.95, 11)).toEqual([3]);
  });

  it('has round ticks', () => {
    expect(ticks(0.3, 10.2, 5)).toEqual([2, 4, 6, 8, 10]);
  });
});

it('reads what astropy wrote, in both serialisations of an archive', () => {
  const expected = json<Record<string, unknown[]>>('columns.json');
  for (const file of ['binary2.vot', 'tabledata.vot']) {
    const reader = new VotableReader();
    reader.push(new TextDecoder().decode(bytes(file)));
    expect(reader.end().error, file).toBeNull();
    const table = reader.table;
    expect(table?.rowCount).toBe(3);
    for (const name of ['id', 'flux', 'ra']) {
      const want = expected[name]?.map(value => (value === null ? NaN : Number(value)));
      expect([...(table?.numbers(name)?.subarray(0, 3) ?? [])], `${file} ${name}`).toEqual(want);
    }
    expect(table?.texts('name'), file).toEqual(expected.name);
  }
});
