import { describe, expect, it } from 'vitest';

import {
  formatDec,
  formatPosition,
  formatRa,
  fromGalactic,
  parsePosition,
  separation,
  toGalactic
} from '../../src/search/coordinates';

const CRAB = { ra: 83.6331, dec: 22.0145 };

describe('positions', () => {
  it.each([
    ['83.6331 22.0145'],
    ['83.6331, +22.0145'],
    ['(83.6331 22.0145)'],
    ['05:34:31.94 +22:00:52.2'],
    ['5h34m31.94s +22d00m52.2s'],
    ['05 34 31.94 22 00 52.2'],
    ['05:34:31.94+22:00:52.2'],
    ['184.5574 -5.7843 galactic'],
    ['gal 184.5574 −5.7843']
  ])('reads %s', text => {
    const found = parsePosition(text);
    expect(found).not.toBeNull();
    expect(separation(found ?? { ra: 0, dec: 0 }, CRAB)).toBeLessThan(1e-3);
  });

  it.each(['Crab', 'M 87', 'HESS J1825-137', 'PKS 2155-304', '1ES 0229+200', '', '12'])('takes %j for a name', text => {
    expect(parsePosition(text)).toBeNull();
  });

  it.each([
    ['25:00:00 +10:00:00', 'not between 0 and 24 h'],
    ['83.6 95', "'95' is not between -90 and +90 deg"],
    ['361 0', 'not between 0 and 360 deg'],
    ['05:64:00 +10:00:00', 'not below 60']
  ])('refuses %s', (text, words) => {
    expect(() => parsePosition(text)).toThrow(words);
  });

  it('keeps the sign of -0 degrees', () => {
    expect(parsePosition('0h0m0s -0d30m0s')).toEqual({ ra: 0, dec: -0.5 });
    expect(formatDec(-0.5)).toBe('-00d30m00s');
  });

  it('turns to galactic and back', () => {
    // astropy 8.0.2: SkyCoord(266.40499625, -28.93617242, unit='deg').galactic
    expect(toGalactic({ ra: 266.40499625, dec: -28.93617242 })[1]).toBeCloseTo(0, 5);
    const back = fromGalactic(...toGalactic(CRAB));
    expect(separation(back, CRAB)).toBeLessThan(1e-10);
  });

  it('writes what it reads, and carries', () => {
    for (const frame of ['degrees', 'sexagesimal', 'galactic'] as const) {
      expect(separation(parsePosition(formatPosition(CRAB, frame)) ?? { ra: 0, dec: 0 }, CRAB)).toBeLessThan(1e-4);
    }
    expect(formatRa(359.99999999)).toBe('00h00m00.0s');
    expect(formatDec(9.9999999)).toBe('+10d00m00s');
  });
});
