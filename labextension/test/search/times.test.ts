import { describe, expect, it } from 'vitest';

import { formatTime, MET_REFERENCE, parseTime } from '../../src/search/times';

/** Reference values: astropy 8.0.2, Time(..., scale='utc').tt.mjd. */
const KNOWN: readonly (readonly [utc: string, tt: string, mjd: number])[] = [
  ['2001-01-01T00:00:00', '2001-01-01T00:01:04.184', 51910.000742870376],
  ['2004-12-01T22:15:30.5', '2004-12-01T22:16:34.684', 53340.92817921296],
  ['2016-12-31T23:59:59', '2017-01-01T00:01:07.184', 57754.00077759259],
  ['2016-12-31T23:59:60', '2017-01-01T00:01:08.184', 57754.00078916667],
  ['2017-01-01T00:00:00', '2017-01-01T00:01:09.184', 57754.00080074074],
  ['1999-01-01T00:00:00', '1999-01-01T00:01:04.184', 51179.000742870376]
];

describe('times', () => {
  it.each(KNOWN)('%s UTC is %s TT', (utc, tt, mjd) => {
    expect(parseTime(utc, 'utc')).toBeCloseTo(mjd, 9);
    expect(parseTime(tt, 'tt')).toBeCloseTo(mjd, 9);
    expect(formatTime(parseTime(utc, 'utc'), 'utc')).toBe(utc);
    expect(formatTime(parseTime(utc, 'utc'), 'tt')).toBe(tt);
  });

  it('counts MET in TT, not in UTC', () => {
    expect(parseTime('0', 'met')).toBe(MET_REFERENCE);
    expect(formatTime(parseTime('0', 'met'), 'utc')).toBe('2001-01-01T00:00:00');
    // a day on, over the leap second at the end of 2005: one more second than the days have
    const [before, after] = [parseTime('2005-12-31', 'utc'), parseTime('2006-01-01', 'utc')];
    expect(Number(formatTime(after, 'met')) - Number(formatTime(before, 'met'))).toBeCloseTo(86401, 3);
  });

  it('keeps a time over all four fields', () => {
    for (const scale of ['utc', 'tt', 'mjd', 'met'] as const) {
      const mjd = 53340.12345678;
      expect(parseTime(formatTime(mjd, scale), scale)).toBeCloseTo(mjd, 7);
    }
  });

  it('takes a date, a month, and nothing', () => {
    expect(formatTime(parseTime('2004-12', 'utc'), 'utc')).toBe('2004-12-01T00:00:00');
    expect(formatTime(parseTime('2004-12-05 07:30', 'utc'), 'utc')).toBe('2004-12-05T07:30:00');
    expect(parseTime('  ', 'utc')).toBeNull();
    expect(formatTime(null, 'utc')).toBe('');
  });

  it.each([
    ['yesterday', 'utc', "UTC: 'yesterday' is no time"],
    ['2004-02-30', 'utc', 'does not exist'],
    ['2004-12-31T23:59:60', 'utc', 'does not exist'],
    ['2016-12-31T23:59:60', 'tt', 'does not exist'],
    ['2016-12-31T24:00:00', 'utc', 'does not exist'],
    ['2453340', 'mjd', "MJD: '2453340' is not between MJD 30000 and 100000"],
    ['x', 'met', "MET: 'x' is no number, allowed is seconds"]
  ] as const)('refuses %s as %s', (text, scale, words) => {
    expect(() => parseTime(text, scale)).toThrow(words);
  });
});
