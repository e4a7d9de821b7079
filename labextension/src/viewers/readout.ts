/**
 * What is told of the place under the mouse.
 */
import { fromGalactic, Pair, sexagesimal, toGalactic, Wcs } from '../formats/wcs';
import { Sky } from './graticule';

/** The frame of the coordinates: that of the image, or another. */
export type FrameChoice = 'own' | 'icrs' | 'hms' | 'galactic';

/** The sky of an image in another frame. FK5 and FK4 are taken as they are: they have no other here. */
export function skyIn(wcs: Wcs, frame: FrameChoice): Sky {
  const isGalactic = wcs.frame === 'galactic';
  if (frame === 'own' || wcs.frame === 'other' || isGalactic === (frame === 'galactic')) {
    return wcs;
  }
  const [forward, back] = isGalactic ? [fromGalactic, toGalactic] : [toGalactic, fromGalactic];
  return {
    toSky: (x, y) => {
      const place = wcs.toSky(x, y);
      return place && forward(...place);
    },
    toPixel: (lon, lat) => wcs.toPixel(...back(lon, lat))
  };
}

/** A place as text, with digits to a tenth of an arcsecond or better. */
export function placeText(place: Pair, frame: FrameChoice): string {
  if (frame === 'hms') {
    return sexagesimal(...place);
  }
  return `${place[0].toFixed(5)} ${place[1] < 0 ? '-' : '+'}${Math.abs(place[1]).toFixed(5)}`;
}

export function valueText(value: number | null, unit: string): string {
  if (value === null) {
    return '';
  }
  return Number.isNaN(value) ? '–' : [Number(value.toPrecision(6)), unit].filter(part => part !== '').join(' ');
}

/** A number for a colour bar: short, and different from its neighbours. */
export function tickText(value: number, span: number): string {
  const size = Math.max(Math.abs(value), span);
  if (value !== 0 && (size >= 1e5 || size < 1e-3)) {
    return value.toExponential(1);
  }
  const digits = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(span || 1))));
  return String(Number(value.toFixed(digits)));
}
