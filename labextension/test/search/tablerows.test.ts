import { describe, expect, it } from 'vitest';

import { readTableRows, TableRows } from '../../src/search/tablerows';
import { MemoryArchive } from './memory';

const DOCUMENT = `<?xml version="1.0"?>
<vosi:tableset xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0"><schema><name>ivoa</name>
<table type="view"><name>ivoa.ObsCore</name><nrows>1500000</nrows></table>
<table><name>ivoa.untold</name><description>nrows 7</description></table>
<table><name>ivoa.wrong</name><nrows>many</nrows></table></schema></vosi:tableset>`;

describe('rows of tables', () => {
  it('are read where the service tells them, and from nothing else', () => {
    expect([...readTableRows(DOCUMENT)]).toEqual([['ivoa.obscore', 1_500_000]]);
    expect(readTableRows('<html><table><name>a</name><nrows>1</nrows></table></html>').size).toBe(0);
    expect(readTableRows(`<!DOCTYPE x>${DOCUMENT.slice(21)}`).size).toBe(0);
    expect(readTableRows('not XML').size).toBe(0);
  });

  it('are asked for once of each service, and never fail', async () => {
    const told: string[] = [];
    const rows = new TableRows(() => void told.push('changed'));
    const [own, away] = [new MemoryArchive(), new MemoryArchive()];
    own.described = DOCUMENT;
    away.trouble = new Error('connection refused');
    expect(rows.of(own, 'ivoa.obscore')).toBeNull();
    await rows.load(own);
    await rows.load(own);
    await rows.load(away);
    expect([rows.of(own, 'IVOA.ObsCore'), rows.of(own, 'ivoa.untold'), rows.of(away, 'ivoa.obscore')]).toEqual([1_500_000, null, null]);
    expect([own.asked, told]).toEqual([['tables'], ['changed']]);
  });
});
