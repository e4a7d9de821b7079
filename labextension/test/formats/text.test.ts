import { describe, expect, it } from 'vitest';

import { compareCells, formatCell } from '../../src/formats/table';
import { parseCsv, parseEcsv } from '../../src/formats/text';
import { bytes, column, json } from './fixtures';

const read = (name: string): string => new TextDecoder().decode(bytes(name));

describe('parseEcsv', () => {
  it.each(['columns.ecsv', 'comma.ecsv'])('reads %s as astropy wrote it', async name => {
    const table = await parseEcsv(read(name), name);
    const expected = json<Record<string, unknown[]>>('columns.json');
    expect(table.columns.map(each => [each.name, each.type, each.unit, each.shape])).toEqual([
      ['id', 'long', '', ''],
      ['flux', 'float', '1 / (TeV s cm2)', ''],
      ['ra', 'double', 'deg', ''],
      ['name', 'unicodeChar', '', ''],
      ['ok', 'boolean', '', ''],
      ['vector', 'double', '', '2'],
      ['z', 'doubleComplex', '', '']
    ]);
    for (const each of table.columns) {
      expect(column(table, each.name), each.name).toEqual(expected[each.name]);
    }
    expect(table.notes).toEqual([{ level: 'info', name: 'OBSERVER', text: 'Ada' }]);
  });

  it.each([
    ['a b\n1 2\n', /does not begin with "# %ECSV"/],
    ['# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64\na\n1\n', /head of the ECSV file is no YAML/],
    ['# %ECSV 1.0\n# ---\n# datatype:\n# - {name: b, datatype: int64}\na\n1\n', 'Column 1 of the ECSV file is "a"; its head describes "b".'],
    ['# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\n', 'The file has no rows.']
  ])('tells in a sentence what is wrong (%#)', async (text, message) => {
    await expect(parseEcsv(text, 'x')).rejects.toThrow(message);
  });
});

describe('parseCsv', () => {
  it('concludes the types', async () => {
    const table = await parseCsv('\ufeffn,x,code,s,e\r\n1,1.5,007,"a ""b"", c",\r\n-2,nan,012,"two\nlines",\r\n,,,,\r\n', 'x');
    expect(table.columns.map(each => each.type)).toEqual(['long', 'double', 'unicodeChar', 'unicodeChar', 'unicodeChar']);
    expect(table.columns.map(each => column(table, each.name))).toEqual([
      [1, -2, null],
      [1.5, null, null],
      ['007', '012', null],
      ['a "b", c', 'two\nlines', null],
      [null, null, null]
    ]);
  });

  it('knows tabs and semicolons, and fills up short lines', async () => {
    const table = await parseCsv('a\tb\n1\t2\n3\n', 'x');
    expect([column(table, 'a'), column(table, 'b')]).toEqual([
      [1, 3],
      [2, null]
    ]);
    expect((await parseCsv('a;b;c,d\n1;2;3\n', 'x')).columns.map(each => each.name)).toEqual(['a', 'b', 'c,d']);
  });

  it.each([
    ['', 'The file has no rows.'],
    ['a,b\n1,2,3\n', 'Line 2 has 3 cells; the first has 2.'],
    ['a\n"b', 'The file ends inside of a quoted cell.']
  ])('tells in a sentence what is wrong (%#)', async (text, message) => {
    await expect(parseCsv(text, 'x')).rejects.toThrow(message);
  });
});

describe('cells', () => {
  it('are written with the digits of their type', () => {
    expect(formatCell(Math.fround(0.1), 'float')).toBe('0.1');
    expect(formatCell(Math.fround(83.633083), 'float')).toBe('83.63308');
    expect(formatCell(Math.fround(1 / 3), 'double')).toBe('0.3333333432674408');
    expect(formatCell({ re: 1, im: -2 }, 'doubleComplex')).toBe('1-2i');
    expect(formatCell([1, 0, 1], 'bit')).toBe('101');
    expect(formatCell([1, null], 'int')).toBe('1, ');
    expect(formatCell(2n ** 60n, 'long')).toBe('1152921504606846976');
  });

  it('are sorted by value, empty ones last', () => {
    const sorted = [null, 3, NaN, 2n ** 60n, -1].sort(compareCells);
    expect(sorted).toEqual([-1, 3, 2n ** 60n, null, NaN]);
    expect(['b', '', 'a10', 'a9'].sort(compareCells)).toEqual(['a9', 'a10', 'b', '']);
  });
});
