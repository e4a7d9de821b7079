import { describe, expect, it } from 'vitest';

import { parseHeader } from '../../src/formats/fitsheader';
import { fromGalactic, Pair, readWcs, sexagesimal, toGalactic, Wcs } from '../../src/formats/wcs';
import { json } from './fixtures';

interface Case {
  readonly cards: string[];
  readonly pixels: Pair[];
  readonly sky: Pair[];
}

const { cases, frames } = json<{
  cases: Case[];
  frames: { icrs: Pair[]; galactic: Pair[]; sexagesimal: string[] };
}>('wcs.json.gz');

/** Degrees on the sky between two places. */
function separation(a: Pair, b: Pair): number {
  const dlon = ((((a[0] - b[0]) % 360) + 540) % 360) - 180;
  return Math.hypot(dlon * Math.cos((a[1] * Math.PI) / 180), a[1] - b[1]);
}

function wcsOf(cards: string[]): Wcs {
  const wcs = readWcs(parseHeader(cards));
  if (!wcs) {
    throw new Error('no WCS');
  }
  return wcs;
}

describe('readWcs', () => {
  it.each(cases.map(each => [/CTYPE1.*'(\S+)'/.exec(each.cards.join())?.[1] ?? '', each] as const))(
    'agrees with astropy to 1e-9 deg: %s',
    (_, { cards, pixels, sky }) => {
      const wcs = wcsOf(cards);
      for (const [at, pixel] of pixels.entries()) {
        const place = wcs.toSky(...pixel);
        expect(separation(place ?? [NaN, NaN], sky[at] ?? [NaN, NaN])).toBeLessThan(1e-9);
        const back = wcs.toPixel(...(place ?? [NaN, NaN]));
        expect(Math.hypot((back?.[0] ?? NaN) - pixel[0], (back?.[1] ?? NaN) - pixel[1])).toBeLessThan(1e-7);
      }
    }
  );

  const cards = (more: Record<string, string>): string[] =>
    Object.entries({ CTYPE1: "'RA---TAN'", CTYPE2: "'DEC--TAN'", CDELT1: '-1.0', CDELT2: '1.0', ...more }).map(
      ([keyword, value]) => `${keyword.padEnd(8)}= ${value}`.padEnd(80)
    );

  it('has no place off the sky, and no pixel behind the tangent plane', () => {
    const wcs = wcsOf(cards({ CTYPE1: "'GLON-AIT'", CTYPE2: "'GLAT-AIT'" }));
    expect(wcs.toSky(175, 0)).toBeNull();
    expect(wcs.frame).toBe('galactic');
    expect(wcsOf(cards({})).toPixel(180, 0)).toBeNull();
  });

  it('tells what it does not know', () => {
    expect(readWcs(parseHeader(cards({ CTYPE1: "'LINEAR'" })))).toBeNull();
    expect(() => wcsOf(cards({ CTYPE1: "'RA---HPX'", CTYPE2: "'DEC--HPX'" }))).toThrow(/projection HPX is not known/);
    expect(() => wcsOf(cards({ CDELT1: '0.0' }))).toThrow(/cannot be inverted/);
    expect(wcsOf(cards({ CTYPE1: "'RA---TAN-SIP'" })).caveat).toMatch(/SIP/);
  });

  it('reads the system, and axes in the other order', () => {
    const swapped = wcsOf(cards({ CTYPE1: "'DEC--TAN'", CTYPE2: "'RA---TAN'", CRVAL1: '20.0', CRVAL2: '83.0' }));
    expect(swapped.toSky(0, 0)).toEqual([83, expect.closeTo(20, 12)]);
    expect(wcsOf(cards({ EQUINOX: '2000.0' })).system).toBe('FK5');
    expect(wcsOf(cards({ RADECSYS: "'FK5'" })).system).toBe('FK5');
    expect(wcsOf(cards({})).system).toBe('ICRS');
  });
});

describe('frames', () => {
  it('turns ICRS into galactic coordinates and back as astropy does', () => {
    for (const [at, place] of frames.icrs.entries()) {
      expect(separation(toGalactic(...place), frames.galactic[at] ?? [NaN, NaN])).toBeLessThan(1e-9);
      expect(separation(fromGalactic(...toGalactic(...place)), place)).toBeLessThan(1e-9);
    }
  });

  it('writes hours and degrees', () => {
    expect(sexagesimal(83.633083, 22.0145)).toBe('05:34:31.94 +22:00:52.2');
    expect(sexagesimal(359.9999999, -0.0001)).toBe('00:00:00.00 -00:00:00.4');
  });
});
