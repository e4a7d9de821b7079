import { describe, expect, it } from 'vitest';

import { Asked } from '../../src/search/asked';
import { readExamples, readTableRows } from '../../src/search/described';
import { fixesOf } from '../../src/search/fixes';
import { MemoryArchive } from './memory';

const DOCUMENT = `<?xml version="1.0"?>
<vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0"><schema><name>ivoa</name>
<table type="view"><name>ivoa.ObsCore</name><nrows>1500000</nrows></table>
<table><name>ivoa.untold</name><description>nrows 7</description></table>
<table><name>ivoa.wrong</name><nrows>many</nrows></table></schema></vosi:tableset>`;

describe('what a service tells of itself', () => {
  it('is how many rows its tables have, where it says so', () => {
    expect([...readTableRows(DOCUMENT)]).toEqual([['ivoa.obscore', 1_500_000]]);
    expect(readTableRows('<html><table><name>a</name><nrows>1</nrows></table></html>').size).toBe(0);
    expect(readTableRows(`<!DOCTYPE x>${DOCUMENT.slice(21)}`).size).toBe(0);
    expect(readTableRows('not XML').size).toBe(0);
  });

  it('is examples, of which only the text is taken', () => {
    const page = `<?xml version="1.0"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml"><body vocab="x">
      <div id="e1" typeof="example"><h2 property="name">All &lt;runs></h2><pre property="query">SELECT *
FROM ivoa.obscore WHERE n &lt; 3</pre></div><div typeof="example"><script>window.ran = 1</script></div></body></html>`;
    expect(readExamples(page)).toEqual([{ name: 'All <runs>', adql: 'SELECT *\nFROM ivoa.obscore WHERE n < 3' }]);
    expect('ran' in window).toBe(false);
    expect(readExamples('503')).toEqual([]);
  });

  it('is asked for once of each service, and never fails', async () => {
    const told: string[] = [];
    const rows = new Asked(async service => readTableRows(await service.tableset()), new Map(), () => void told.push('changed'));
    const [own, away] = [new MemoryArchive(), new MemoryArchive()];
    own.described = DOCUMENT;
    away.trouble = new Error('connection refused');
    expect(rows.of(own).size).toBe(0);
    await rows.load(own);
    await rows.load(own);
    await rows.load(away);
    expect([rows.of(own).get('ivoa.obscore'), rows.of(away).size]).toEqual([1_500_000, 0]);
    expect([own.asked, told]).toEqual([['tables'], ['changed']]);
  });
});

describe('fixes', () => {
  it.each([
    [
      'SELECT o.obs_idd FROM t',
      9,
      'there is no column obs_idd in o; did you mean obs_id or obs_mode?',
      ['SELECT o.obs_id FROM t', 'SELECT o.obs_mode FROM t']
    ],
    ['FROM ivoa.obscor', 5, "there is no table 'ivoa.obscor'; did you mean ivoa.obscore?", ['FROM ivoa.obscore']],
    ['SELECT SQR(a) FROM t', 7, 'there is no function SQR; did you mean SQRT?', ['SELECT SQRT(a) FROM t']],
    ['SELECT a form t', 14, "'t' is not expected here; did you mean FROM instead of form?", ['SELECT a FROM t']],
    ['WHERE b = "O Crab"', 10, `there is no column "O Crab"; a text is written in single quotes, 'O Crab'`, [`WHERE b = 'O Crab'`]],
    // where the query is another by now, and where nothing is proposed
    ['SELECT b FROM t', 7, 'there is no column obs_idd; did you mean obs_id?', []],
    ['SELCT a', 0, "a query begins with SELECT, not 'SELCT'", []]
  ])('of %s', (query, place, message, expected) => {
    const changed = fixesOf(message, query, place).map(fix => query.slice(0, fix.from) + fix.insert + query.slice(fix.to));
    expect(changed).toEqual(expected);
  });
});
