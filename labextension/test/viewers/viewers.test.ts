import { describe, expect, it } from 'vitest';

import { Plane } from '../../src/formats/fitsimage';
import { parseHeader } from '../../src/formats/fitsheader';
import { Cell, Column, memoryTable, Table } from '../../src/formats/table';
import { readWcs } from '../../src/formats/wcs';
import { isSigma,
  isSigned, levelTable, lookupTable, percentileLimits, sortedSample, STRETCHES, stretched, unstretched } from '../../src/viewers/colors';
import { graticule } from '../../src/viewers/graticule';
import { canView, formatOf, nameOf, partOf, viewerFor } from '../../src/viewers/index';
import { placeText, skyIn, tickText, valueText } from '../../src/viewers/readout';
import { arrange, Filter, parseFilter, Sorting } from '../../src/viewers/rows';
import { fitted, northUp, paint, panned, toImage, toScreen, valueAt, zoomed } from '../../src/viewers/viewport';

const plane: Plane = { width: 4, height: 3, values: Float32Array.from({ length: 12 }, (_, at) => (at === 5 ? NaN : at)) };

function wcsOf(more: Record<string, string> = {}): NonNullable<ReturnType<typeof readWcs>> {
  const values = { CTYPE1: "'RA---TAN'", CTYPE2: "'DEC--TAN'", CRPIX1: '2.5', CRPIX2: '2', CRVAL1: '83', CRVAL2: '22' };
  const cards = Object.entries({ ...values, CDELT1: '-0.1', CDELT2: '0.1', ...more });
  const wcs = readWcs(parseHeader(cards.map(([keyword, value]) => `${keyword.padEnd(8)}= ${value}`.padEnd(80))));
  if (!wcs) {
    throw new Error('no WCS');
  }
  return wcs;
}

describe('formatOf', () => {
  it.each([
    ['', 'a.fits', 'fits'],
    ['', 'A.FITS.GZ', 'fits'],
    ['', 'x.oifits', 'fits'],
    ['application/fits', 'significance', 'fits'],
    ['application/x-votable+xml;serialization=binary2', 'result', 'votable'],
    ['text/plain', 'flux_points.ecsv', 'ecsv'],
    ['text/csv', 'a.vot', 'votable'],
    ['text/csv;header=present', 'result', 'csv'],
    ['image/png', 'sed.png', null],
    ['text/xml', 'a.xml', null]
  ])('%s %s: %s', (mime, name, format) => {
    expect(formatOf(mime, name)).toBe(format);
    expect(viewerFor(mime, name) === null).toBe(format === null);
    expect(viewerFor(mime, name)).toBe(viewerFor(mime, name));
  });
});

describe('colours', () => {
  it('stretch the limits to the ends, and back', () => {
    for (const stretch of STRETCHES) {
      expect(stretched(-5, [-5, 15], stretch)).toBe(0);
      expect(stretched(20, [-5, 15], stretch)).toBeCloseTo(1, 12);
      expect(unstretched(stretched(3, [-5, 15], stretch), [-5, 15], stretch)).toBeCloseTo(3, 10);
      expect(levelTable(stretch)[4096]).toBe(1023);
    }
  });

  it('have the first and the last colour of their map', () => {
    const viridis = lookupTable('viridis');
    expect([viridis[0], viridis.at(-1)].map(color => color?.toString(16))).toEqual(['ff540144', 'ff25e7fd']);
  });

  it('find limits among the finite values', () => {
    const sorted = sortedSample(Float32Array.from([NaN, 3, 1, Infinity, 2, 0, 4]));
    expect([...sorted]).toEqual([0, 1, 2, 3, 4]);
    expect(percentileLimits(sorted, 100, false)).toEqual([0, 4]);
    expect(percentileLimits(sorted, 50, false)).toEqual([1, 3]);
    expect(percentileLimits(sorted, 100, true)).toEqual([-4, 4]);
    expect(percentileLimits(new Float64Array([7, 7]), 99, false)).toEqual([7, 14]);
    expect(percentileLimits(new Float64Array(), 99, false)).toEqual([0, 1]);
  });

  it('know maps with a meaning of zero', () => {
    const names = ['significance.fits', 'x sqrt_ts', 'residuals', 'excess.fits'];
    expect(names.map(isSigned)).toEqual([true, true, true, false]);
    expect(names.map(isSigma)).toEqual([true, true, false, false]);
  });
});

describe('viewport', () => {
  it('shows the whole image, the first row below', () => {
    const view = fitted(plane, 40, 60);
    expect(view.scale).toBe(10);
    expect(toImage(view, 0, 45)).toEqual([0.5, 0.5]);
    expect(toScreen(view, 4.5, 3.5)).toEqual([40, 15]);
    expect(valueAt(plane, 1.4, 0.6)).toBe(0);
    expect(valueAt(plane, 4, 3)).toBe(11);
    expect(valueAt(plane, 4.6, 3)).toBeNull();
  });

  it('keeps what is under the mouse when it zooms, and pans with it', () => {
    const view = zoomed(fitted(plane, 40, 60), 2, 10, 20);
    expect(view.scale).toBe(20);
    const [x, y] = toImage(view, 10, 20);
    expect([x, y]).toEqual(toImage(fitted(plane, 40, 60), 10, 20));
    expect(toScreen(panned(view, 5, -7), x, y)).toEqual([15, 13]);
  });

  it('paints the pixels where they are, and none where there is no value', () => {
    const target = new Uint32Array(8 * 8).fill(7);
    const colors = Uint32Array.from({ length: 1024 }, (_, level) => level + 1);
    paint(target, fitted(plane, 8, 8), plane, [0, 11], levelTable('linear'), colors);
    const row = (y: number): number[] => [...target.slice(8 * y, 8 * y + 8)];
    expect(row(0)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    expect(row(6).map(level => level && Math.round(((level - 1) / 1023) * 11))).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    expect(row(4)[2]).toBe(0);
    expect(row(2)[7]).toBe(1024);
  });

  it('turns north up and east left', () => {
    const turned = wcsOf({ PC1_1: '0', PC1_2: '-1', PC2_1: '1', PC2_2: '0', CDELT1: '0.1' });
    for (const wcs of [wcsOf(), turned]) {
      const view = northUp(fitted(plane, 40, 60), wcs);
      const centre = wcs.toSky(...view.centre) ?? [NaN, NaN];
      const [northX, northY] = toScreen(view, ...(wcs.toPixel(centre[0], centre[1] + 0.1) ?? [NaN, NaN]));
      const [eastX, eastY] = toScreen(view, ...(wcs.toPixel(centre[0] + 0.1, centre[1]) ?? [NaN, NaN]));
      expect([northX, eastY].map(Math.round)).toEqual([20, 30]);
      expect(northY).toBeLessThan(25);
      expect(eastX).toBeLessThan(15);
    }
  });

  it('draws lines of the sky through the canvas', () => {
    const lines = graticule(fitted(plane, 400, 300), wcsOf());
    expect(lines.map(line => line.label)).toEqual(expect.arrayContaining(['83.0°', '22.00°']));
    const middle = lines.find(line => line.label === '22.00°');
    expect(Math.abs((middle?.points[30]?.[1] ?? NaN) - 150)).toBeLessThan(2);
  });
});

describe('readout', () => {
  it('writes places in the chosen frame, and values with units', () => {
    const wcs = wcsOf();
    expect(placeText(skyIn(wcs, 'own').toSky(2.5, 2) ?? [0, 0], 'own')).toBe('83.00000 +22.00000');
    expect(placeText([83, -22], 'hms')).toBe('05:32:00.00 -22:00:00.0');
    const galactic = skyIn(wcs, 'galactic');
    const place = galactic.toSky(2.5, 2) ?? [0, 0];
    expect(placeText(place, 'galactic')).toBe('184.25263 -6.28718');
    expect(galactic.toPixel(...place)?.map(value => value.toFixed(6))).toEqual(['2.500000', '2.000000']);
    expect([valueText(1.23456789, 'TeV'), valueText(NaN, 'TeV'), valueText(null, '')]).toEqual(['1.23457 TeV', '–', '']);
    expect([tickText(0.123456, 1), tickText(1.5e-12, 2e-12), tickText(1234.5, 5000)]).toEqual(['0.12', '1.5e-12', '1235']);
  });
});

describe('rows', () => {
  const column = (name: string, type: Column['type']): Column => ({ name, type, unit: '', ucd: '', description: '', shape: '' });
  const cells: Cell[][] = [
    [3, null, 1, 2, 2],
    ['b', 'a', 'Crab', '', 'crab nebula'],
    [Math.fround(0.1), NaN, 5, 1e-3, 0.25]
  ];
  const columns = [column('n', 'int'), column('s', 'char'), column('x', 'float')];
  const table: Table = memoryTable({ name: '', description: '', notes: [], columns }, cells, 5);
  const rows = async (sorting: Sorting | null, filter: Filter | null): Promise<number[] | null> => {
    const found = await arrange(table, sorting, filter, () => false);
    return found && [...found];
  };

  it('are sorted stably, empty ones last in both directions', async () => {
    expect(await rows(null, null)).toBeNull();
    expect(await rows({ column: 0, descending: false }, null)).toEqual([2, 3, 4, 0, 1]);
    expect(await rows({ column: 0, descending: true }, null)).toEqual([0, 3, 4, 2, 1]);
    expect(await rows({ column: 1, descending: false }, null)).toEqual([1, 0, 2, 4, 3]);
  });

  it.each([
    [0, '> 1', [0, 3, 4]],
    [0, '2', [3, 4]],
    [0, '!=2', [0, 2]],
    [0, '1..2', [2, 3, 4]],
    [1, 'CRAB', [2, 4]],
    [2, '= 0.1', [0]],
    [2, '<=1e-1', [0, 3]]
  ])('of column %i are filtered by %s', async (at, text, expected) => {
    expect(await rows(null, { column: at, text })).toEqual(expected);
  });

  it('are filtered, then sorted', async () => {
    expect(await rows({ column: 2, descending: true }, { column: 0, text: '>= 2' })).toEqual([4, 0, 3]);
  });

  it('are not filtered by what is no filter', () => {
    expect(parseFilter('abc', columns[0] ?? column('', 'int'))).toBeNull();
    expect(parseFilter('1 2', columns[0] ?? column('', 'int'))).toBeNull();
  });

  it('are sorted where they are many', async () => {
    const many = Float64Array.from({ length: 100_003 }, (_, at) => (at * 7919) % 100_003);
    const large = memoryTable({ name: '', description: '', notes: [], columns: [column('n', 'int')] }, [many], many.length);
    const order = await arrange(large, { column: 0, descending: false }, null, () => false);
    expect(order?.every((row, at) => many[row] === at)).toBe(true);
  });
});

describe('links', () => {
  it('tells the file, and the part of it, that a URL means', () => {
    const url = 'http://lab/a%40b/jupyter-uws/files/SIM-DR1/run%201.fits.gz?x=/y#AEFF%201';
    expect([nameOf(url), partOf(url)]).toEqual(['run 1.fits.gz', 'AEFF 1']);
    expect([nameOf('http://lab/50%'), partOf('http://lab/50%')]).toEqual(['50%', '']);
  });

  it('shows what is known, and of this server only', () => {
    const home = 'http://lab';
    expect(canView('http://lab/files/run.fits.gz#EVENTS', 'application/fits', home)).toBe(true);
    expect(canView('http://lab/datalink/bundle?ID=1.fits', 'application/x-tar', home)).toBe(false);
    expect(canView('http://other/files/run.fits', 'application/fits', home)).toBe(false);
    expect(canView('http://lab:8080/files/run.fits', 'application/fits', home)).toBe(false);
    expect(canView('javascript:alert(1)//x.fits', 'application/fits', home)).toBe(false);
  });
});
