import { gzipSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import { Hdu, openFits } from '../../src/formats/fits';
import { planeCount, readPlane } from '../../src/formats/fitsimage';
import { openTable } from '../../src/formats/fitstable';
import { unpackRice } from '../../src/formats/rice';
import { memorySource, rangeSource } from '../../src/formats/source';
import { Cell } from '../../src/formats/table';
import { bytes, column, json, plain, source } from './fixtures';

describe('headers', () => {
  it('reads long strings, long keywords and all kinds of values', async () => {
    const { hdus, problem } = await openFits(source('images.fits.gz'));
    const header = hdus[0]?.header;
    expect(problem).toBeNull();
    expect(header?.text('LONG')).toBe(`it's ${'a long string '.repeat(12).trimEnd()}`);
    const cards = new Map(header?.cards.map(card => [card.keyword, card]));
    expect(cards.get('LONG')?.comment).toBe('and its comment');
    expect(cards.get('ESO TEL NAME')).toEqual({ keyword: 'ESO TEL NAME', value: 'CTA', comment: 'a long keyword' });
    expect(cards.get('BIG')?.value).toBe(2n ** 60n);
    expect(cards.get('EXPONENT')?.value).toBe(1.5e-12);
    expect(cards.get('FLAG')?.value).toBe(true);
    expect(cards.get('HISTORY')).toMatchObject({ value: undefined, comment: 'made by a script' });
  });

  it('unpacks gzip', async () => {
    const packed = memorySource(new Uint8Array(gzipSync(bytes('tables.fits.gz'))));
    expect((await openFits(packed)).hdus.map(hdu => hdu.name)).toEqual(['PRIMARY', 'ALL', 'TEXT']);
  });
});

describe('images', () => {
  it('reads every BITPIX, scaled and with blanks, as astropy does', async () => {
    const file = await openFits(source('images.fits.gz'));
    const expected = json<Record<string, number[]>>('images.json');
    for (const hdu of file.hdus.slice(1)) {
      const planes = [];
      for (let plane = 0; plane < planeCount(hdu); plane++) {
        planes.push(...(await readPlane(file.source, hdu, plane)).values);
      }
      expect(planes.map(plain), hdu.name).toEqual(expected[hdu.name]);
    }
  });

  it('unpacks tiles as astropy does', async () => {
    const file = await openFits(source('compressed.fits.gz'));
    const expected = json<Record<string, (number | null)[]>>('compressed.json');
    const names = file.hdus.slice(1).map(hdu => hdu.name);
    expect(names.filter(name => name !== 'HCOMPRESS')).toEqual(Object.keys(expected));
    for (const hdu of file.hdus.filter(each => each.name in expected)) {
      expect(hdu.kind).toBe('compressed');
      const planes: unknown[] = [];
      for (let plane = 0; plane < planeCount(hdu); plane++) {
        planes.push(...[...(await readPlane(file.source, hdu, plane)).values].map(plain));
      }
      const want = expected[hdu.name] ?? [];
      if (hdu.header.number('ZBITPIX', 0) > 0 || hdu.name.startsWith('GZIP2') || hdu.name === 'GZIP_F4') {
        expect(planes, hdu.name).toEqual(want);
      } else {
        // made of integers: astropy adds the zero in another precision
        const largest = Math.max(...want.map(value => Math.abs(value ?? 0)));
        const apart = want.map((value, at) => (value === null ? Number(planes[at] !== null) : Math.abs(Number(planes[at] ?? NaN) - value)));
        expect(Math.max(...apart), hdu.name).toBeLessThan(3e-7 * largest);
      }
    }
  });

  it('says what compression it does not unpack, and which tiles are damaged or not there', async () => {
    const file = await openFits(source('compressed.fits.gz'));
    const of = (name: string): Hdu => file.hdus.find(hdu => hdu.name === name) ?? raise();
    await expect(readPlane(file.source, of('HCOMPRESS'))).rejects.toThrow('compressed by HCOMPRESS_1: shown are RICE_1');
    const hdu = of('RICE_I2');
    const heap = hdu.dataOffset + hdu.header.count('NAXIS1') * hdu.header.count('NAXIS2');
    const damaged = bytes('compressed.fits.gz').slice();
    damaged.fill(0, heap, hdu.dataOffset + hdu.dataSize);
    await expect(readPlane(memorySource(damaged), of('GZIP_I2'))).resolves.toBeDefined();
    // the first bytes of the second tile are there, the rest is cut off: of the first row all, of the others nothing
    const second = new DataView(damaged.buffer).getInt32(hdu.dataOffset + hdu.header.count('NAXIS1') + 4);
    const plane = await readPlane(file.source, { ...hdu, dataThere: heap - hdu.dataOffset + second + 1 });
    expect([...plane.values].map(Number.isNaN)).toEqual(Array.from({ length: 260 }, (_, at) => at >= 20));
    damaged.fill(0xff, hdu.dataOffset, hdu.dataOffset + 2);
    expect([...(await readPlane(memorySource(damaged), hdu)).values.subarray(0, 20)]).toEqual(Array(20).fill(NaN));
    const zipped = of('GZIP_I4');
    damaged.fill(0x55, zipped.dataOffset + zipped.dataSize - 40, zipped.dataOffset + zipped.dataSize);
    await expect(readPlane(memorySource(damaged), zipped)).rejects.toThrow('damaged or end too early');
    expect(() => unpackRice(new Uint8Array(3), 100, 4, 32)).toThrow('ends too early');
    expect(() => unpackRice(new Uint8Array(8), 1, 8, 32)).toThrow('BYTEPIX = 8');
  });

  it('says where the data are cut off', async () => {
    const whole = bytes('images.fits.gz');
    const { hdus, problem, source: cut } = await openFits(memorySource(whole.subarray(0, whole.length - 2876)));
    expect(problem).toMatch(/^The file ends too early: of the .* of data of HDU 11 \(SCALED\)/);
    const last = hdus.at(-1);
    expect(last?.name).toBe('SCALED');
    const plane = last && (await readPlane(cut, last));
    expect([...(plane?.values ?? [])].map(plain)).toEqual([0.5, 1, null, null]);
    await expect(last && readPlane(cut, { ...last, dataThere: 0 })).rejects.toThrow(/cut off/);
  });
});

describe('tables', () => {
  it('reads every kind of column as astropy does', async () => {
    const file = await openFits(source('tables.fits.gz'));
    const expected = json<Record<string, Record<string, unknown[]>>>('tables.json');
    for (const hdu of file.hdus.slice(1)) {
      const table = openTable(file.source, hdu);
      expect(table.cell(0, 0)).toBeUndefined();
      await table.load(0, table.rows);
      for (const { name } of table.columns) {
        const want = expected[hdu.name]?.[name];
        const bits = (value: unknown): unknown => (Array.isArray(value) ? value.map(Number) : value);
        expect(column(table, name), name).toEqual(name === 'bits' ? want?.map(bits) : want);
        const scanned: Cell[] = [];
        await table.scan(
          table.columns.findIndex(candidate => candidate.name === name),
          cell => scanned.push(cell)
        );
        expect(scanned.map(plain), name).toEqual(column(table, name));
      }
    }
  });

  it('describes the columns', async () => {
    const file = await openFits(source('tables.fits.gz'));
    const { columns } = openTable(file.source, file.hdus[1] ?? raise());
    const of = (name: string): unknown => columns.find(candidate => candidate.name === name);
    expect(of('float')).toEqual({
      name: 'float',
      type: 'float',
      unit: 'TeV',
      ucd: 'em.energy',
      description: 'reconstructed energy',
      shape: ''
    });
    expect(of('matrix')).toMatchObject({ type: 'short', shape: '3x2' });
    expect(of('ulong')).toMatchObject({ type: 'long' });
    expect(of('ragged')).toMatchObject({ type: 'double', shape: '*' });
  });

  it('shows the whole rows of a file that is cut off', async () => {
    const whole = bytes('tables.fits.gz');
    const { hdus } = await openFits(memorySource(whole));
    const hdu = hdus[1] ?? raise();
    const file = await openFits(memorySource(whole.subarray(0, hdu.dataOffset + 2 * hdu.header.count('NAXIS1') + 5)));
    const table = openTable(file.source, file.hdus[1] ?? raise());
    expect(table.rows).toBe(2);
    expect(table.notes[0]?.text).toMatch(/Of the 3 rows .* holds 2/);
    await table.load(0, 2);
    expect(column(table, 'text')).toEqual(['Crab', '']);
    expect(column(table, 'ragged')).toEqual([null, null]);
  });
});

describe('damaged files', () => {
  const patched = (name: string, find: string, replacement: string): Uint8Array => {
    const content = Buffer.from(bytes(name));
    const at = content.indexOf(find);
    content.write(replacement.padEnd(find.length), at, 'latin1');
    return new Uint8Array(content);
  };

  it.each([
    [new Uint8Array(), 'The file is empty.'],
    [new TextEncoder().encode('<html>'), 'This is not a FITS file: it does not begin with SIMPLE = T.'],
    [bytes('images.fits.gz').subarray(0, 800), 'The header of HDU 0 has no END: the file is damaged or ends too early.'],
    [
      patched('images.fits.gz', 'BITPIX  =                    8', 'BITPIX  =                    9'),
      'BITPIX = 9 in HDU 0 is none of 8, 16, 32, 64, -32, -64.'
    ],
    [
      patched('images.fits.gz', 'NAXIS   =                    0', 'NAXIS   =                   -1'),
      'NAXIS = -1 in the header; a whole number from 0 on is needed.'
    ],
    [new Uint8Array([0x1f, 0x8b, 8, 0, 1, 2]), 'The compressed data are damaged or end too early: they cannot be unpacked.']
  ])('tells in a sentence what is wrong (%#)', async (content, message) => {
    await expect(openFits(memorySource(content))).rejects.toThrow(message);
  });

  it('refuses columns that are none, or reach beyond their row', async () => {
    for (const [find, replacement, message] of [
      ["'11X     '", "'11Y     '", /TFORM2 = '11Y' is no form/],
      ["'11X     '", "'9999X   '", /ends behind its row/]
    ] as const) {
      const file = await openFits(memorySource(patched('tables.fits.gz', find, replacement)));
      expect(() => openTable(file.source, file.hdus[1] ?? raise())).toThrow(message);
    }
  });
});

describe('rangeSource', () => {
  const content = new Uint8Array(3_500_000).map((_, at) => (at * 7919) >> 3);
  const asked: string[] = [];
  const serve = (first: number, last: number): Promise<Response> => {
    asked.push(`${first}-${last}`);
    const headers = { 'Content-Range': `bytes ${first}-${last}/${content.length}` };
    return Promise.resolve(new Response(content.slice(first, last + 1), { status: 206, headers }));
  };

  it('reads pieces over the edges of blocks, each block once', async () => {
    const ranged = await rangeSource(serve);
    expect(ranged.size).toBe(content.length);
    for (const [offset, length] of [[10, 20], [(1 << 20) - 5, 10], [(1 << 20) - 5, 2 << 20], [3_499_990, 100]] as const) {
      const piece = await ranged.read(offset, length);
      expect(Buffer.compare(piece, content.subarray(offset, offset + length))).toBe(0);
    }
    expect(asked).toEqual(['0-1048575', '1048576-2097151', '2097152-3145727', '3145728-3499999']);
  });

  it('takes a whole answer for the file', async () => {
    const whole = await rangeSource(() => Promise.resolve(new Response(content.slice(0, 100))));
    expect(whole.size).toBe(100);
  });

  it('notices a file that was replaced', async () => {
    const changed = await rangeSource((first, last) =>
      first === 0 ? serve(first, last) : Promise.resolve(new Response(null, { status: 416 }))
    );
    await expect(changed.read(2 << 20, 10)).rejects.toThrow(/changed on the server/);
  });
});

function raise(): never {
  throw new Error('no such HDU');
}
