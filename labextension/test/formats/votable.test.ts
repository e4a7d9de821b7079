import { describe, expect, it } from 'vitest';

import { parseVotable } from '../../src/formats/votable';
import { bytes, column, json } from './fixtures';

const expected = json<Record<string, unknown[]>>('columns.json');
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function votable(table: string, more = ''): Uint8Array {
  return encode(`<?xml version="1.0"?>
    <VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>${more}${table}</RESOURCE></VOTABLE>`);
}

describe('parseVotable', () => {
  it.each(['tabledata', 'binary', 'binary2'])('reads %s as astropy wrote it', async kind => {
    const { tables, notes } = await parseVotable(bytes(`${kind}.vot`));
    expect(notes[0]).toEqual({ level: 'warning', name: 'QUERY_STATUS', text: 'OVERFLOW' });
    const table = tables[0];
    if (!table) {
      throw new Error('no table');
    }
    expect([table.name, table.rows]).toEqual(['sources', 3]);
    expect(table.columns.find(each => each.name === 'ra')).toMatchObject({ unit: 'deg', ucd: 'pos.eq.ra;meta.main' });
    expect(table.columns[0]?.description).toBe('an identifier');
    for (const name of Object.keys(expected)) {
      const want = kind === 'binary' && name === 'id' ? [expected.id?.[0], 2, 3] : expected[name];
      // astropy writes truth values as bits
      expect(column(table, name), name).toEqual(name === 'ok' ? want?.map(Number) : want);
    }
  });

  it('reads cells with entities, CDATA, nulls, missing cells and arrays', async () => {
    const { tables } = await parseVotable(
      votable(`<TABLE><FIELD name="a" datatype="int"><VALUES null="-1"/></FIELD>
        <FIELD name="b" datatype="char" arraysize="*"/><FIELD name="c" datatype="float" arraysize="*"/>
        <FIELD name="d" datatype="boolean"/><FIELD name="e" datatype="char" arraysize="3x2"/><DATA><TABLEDATA>
        <!-- <TR><TD>0</TD></TR> -->
        <TR><TD>-1</TD><TD>&lt;b&gt; &#945; <![CDATA[</TD>]]></TD><TD>1 NaN -Inf</TD><TD>T</TD><TD>ab cde</TD></TR>
        <TR><TD/><TD></TD></TR></TABLEDATA></DATA></TABLE>
        <TABLE name="two"><FIELD name="x" datatype="short"/><DATA><TABLEDATA><TR><TD>0x1F</TD></TR></TABLEDATA></DATA></TABLE>`)
    );
    const [first, second] = tables;
    expect(first && ['a', 'b', 'c', 'd', 'e'].map(name => column(first, name))).toEqual([
      [null, null],
      ['<b> α </TD>', ''],
      [[1, null, -Infinity], null],
      [true, null],
      [['ab', 'cde'], null]
    ]);
    expect(second?.name).toBe('two');
    expect(second && column(second, 'x')).toEqual([31]);
  });

  it('tells errors of a service, and the text that says why', async () => {
    const error = '<INFO name="QUERY_STATUS" value="ERROR">no table "x"</INFO><PARAM name="p" value="3" unit="TeV"/>';
    const { tables, notes } = await parseVotable(votable('', error));
    expect(tables).toEqual([]);
    expect(notes).toEqual([
      { level: 'error', name: 'QUERY_STATUS', text: 'ERROR: no table "x"' },
      { level: 'info', name: 'p', text: '3 TeV' }
    ]);
  });

  it.each([
    [encode('<VOTABLE><RESOURCE>'), /no well-formed XML/],
    [encode('<html></html>'), 'This is not a VOTable: its outermost element is <html>, not <VOTABLE>.'],
    [bytes('tabledata.vot').subarray(0, 1300), 'The VOTable ends too early: it is cut off in the data of a table.'],
    [encode('<!DOCTYPE x [<!ENTITY a "b">]><VOTABLE/>'), /declares entities of its own/],
    [votable('<TABLE><FIELD name="a" datatype="real"/></TABLE>'), 'The datatype "real" of the field "a" is not one'],
    [
      votable('<TABLE><FIELD name="a" datatype="int"/><DATA><BINARY><STREAM encoding="base64">AAA=</STREAM></BINARY></DATA></TABLE>'),
      'end in the middle of row 1'
    ],
    [
      votable('<TABLE><FIELD name="a" datatype="int"/><DATA><BINARY><STREAM encoding="base64">A*!</STREAM></BINARY></DATA></TABLE>'),
      'base64 text of a table in the VOTable is damaged'
    ],
    [
      votable('<TABLE><DATA><TABLEDATA><TR><TD>1</TD></TR></TABLEDATA></DATA></TABLE>'),
      'Row 1 of the VOTable has more cells than the table has fields.'
    ]
  ])('tells in a sentence what is wrong (%#)', async (content, message) => {
    await expect(parseVotable(content)).rejects.toThrow(message);
  });

  it('does not follow a stream to another place', async () => {
    const stream = '<DATA><FITS><STREAM href="http://example.org/x"/></FITS></DATA>';
    const { tables } = await parseVotable(votable(`<TABLE><FIELD name="a" datatype="int"/>${stream}</TABLE>`));
    expect(tables[0]?.notes[0]?.text).toBe('The data of the table are kept as FITS: they are not shown.');
  });
});
