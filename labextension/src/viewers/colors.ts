/**
 * Colour maps and stretches: from a pixel's value to its colour.
 */

export type ColorMap = 'viridis' | 'magma' | 'grey' | 'diverging';
export type Stretch = 'linear' | 'sqrt' | 'log' | 'asinh';
export type Limits = readonly [number, number];

export const COLOR_MAPS: readonly ColorMap[] = ['viridis', 'magma', 'grey', 'diverging'];
export const STRETCHES: readonly Stretch[] = ['linear', 'sqrt', 'log', 'asinh'];

/** 33 colours of each map, evenly spaced (viridis and magma: Smith and van der Walt; the other: Moreland). */
const NODES: Readonly<Record<ColorMap, string>> = {
  viridis:
    '440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e23898e21918c' +
    '1f988b1fa08822a78528ae8032b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219ece51bfde725',
  magma:
    '0000040303120a0822130d341d114729115a36106b440f7651127c5d177f6a1c81762181832681902a819c2e7faa337db73779' +
    'c43c75d0416fdc4869e75263ef5d5ef56b5cf9795dfc8961fd9869fea772feb67cfec488fed395fde2a3fcf0b2fcfdbf',
  grey: '000000ffffff',
  diverging:
    '3b4cc0445acc4e68d85875e16282ea6c8ff1779af782a6fb8db0fe98b9ffa3c2feaec9fcb9d0f9c3d5f4ccd9edd5dbe5dddcdc' +
    'e5d8d1ecd3c5f1ccb8f5c4acf7ba9ff7b093f6a586f4987af08b6eeb7d62e46e56dd5f4bd44e41ca3b37be242eb40426'
};

const LEVELS = 1024;

/** The colours of a map as pixels of an ImageData, LEVELS of them. */
export function lookupTable(map: ColorMap): Uint32Array {
  const nodes = (NODES[map].match(/.{6}/g) ?? []).map(hex => parseInt(hex, 16));
  return Uint32Array.from({ length: LEVELS }, (_, level) => {
    const place = (level / (LEVELS - 1)) * (nodes.length - 1);
    const low = Math.min(nodes.length - 2, Math.floor(place));
    const mix = (shift: number): number => {
      const [a, b] = [nodes[low] ?? 0, nodes[low + 1] ?? 0].map(color => (color >> shift) & 255);
      return Math.round((a ?? 0) + (place - low) * ((b ?? 0) - (a ?? 0)));
    };
    // little endian: red is the lowest byte
    return (255 << 24) | (mix(0) << 16) | (mix(8) << 8) | mix(16);
  });
}

/** A value between limits as 0..1 of the colour map. */
export function stretched(value: number, [low, high]: Limits, stretch: Stretch): number {
  const part = Math.max(0, Math.min(1, (value - low) / (high - low)));
  switch (stretch) {
    case 'linear':
      return part;
    case 'sqrt':
      return Math.sqrt(part);
    case 'log':
      return Math.log1p(1000 * part) / Math.log1p(1000);
    case 'asinh':
      return Math.asinh(10 * part) / Math.asinh(10);
  }
}

/** The value at a place 0..1 of the colour map. */
export function unstretched(place: number, [low, high]: Limits, stretch: Stretch): number {
  const part = {
    linear: place,
    sqrt: place ** 2,
    log: Math.expm1(place * Math.log1p(1000)) / 1000,
    asinh: Math.sinh(place * Math.asinh(10)) / 10
  }[stretch];
  return low + part * (high - low);
}

/** A stretch tabulated, so that a picture needs no logarithm for each pixel. */
export function levelTable(stretch: Stretch): Uint16Array {
  return Uint16Array.from({ length: 4097 }, (_, at) => Math.round(stretched(at / 4096, [0, 1], stretch) * (LEVELS - 1)));
}

/** How many pixels limits are found from at most. */
const SAMPLE = 500_000;

/** The finite values of an image in order: all of them, or evenly spread ones where they are many. */
export function sortedSample(values: Float32Array | Float64Array): Float64Array {
  const step = Math.max(1, Math.floor(values.length / SAMPLE));
  const sample = new Float64Array(Math.ceil(values.length / step));
  let count = 0;
  for (let at = 0; at < values.length; at += step) {
    const value = values[at] ?? NaN;
    if (Number.isFinite(value)) {
      sample[count++] = value;
    }
  }
  return sample.subarray(0, count).sort();
}

/** The limits that hold `percent` of the pixels, as many left out below as above; symmetric about 0 if asked for. */
export function percentileLimits(sorted: Float64Array, percent: number, symmetric: boolean): Limits {
  if (sorted.length === 0) {
    return [0, 1];
  }
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  const tail = (100 - percent) / 200;
  const [low, high] = [at(tail), at(1 - tail)];
  if (symmetric) {
    const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return [-reach, reach];
  }
  return low < high ? [low, high] : [low, low + (Math.abs(low) || 1)];
}

/** Names of maps whose zero means "nothing": a diverging colour map shows them best. */
export function isSigned(name: string): boolean {
  return isSigma(name) || /resid/i.test(name);
}

/** Names of maps in standard deviations: a bright source shall not hide the field, so they end at these limits. */
export function isSigma(name: string): boolean {
  return /signif|sqrt_?ts|pull/i.test(name);
}

export const SIGMA_LIMITS: Limits = [-5, 5];
