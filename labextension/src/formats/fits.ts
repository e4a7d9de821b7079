/**
 * The header data units of a FITS file, read without their data.
 */
import { Header, parseHeader, readCards, RECORD } from './fitsheader';
import { ByteSource, FormatError, gunzip, megabytes } from './source';

export type HduKind = 'image' | 'bintable' | 'asciitable' | 'compressed' | 'empty' | 'other';

export interface Hdu {
  readonly index: number;
  /** EXTNAME, or PRIMARY. */
  readonly name: string;
  readonly kind: HduKind;
  readonly header: Header;
  /** Sizes of the axes: NAXIS1 first; of a compressed image those of the image. */
  readonly shape: readonly number[];
  readonly dataOffset: number;
  /** Bytes of data that the header announces, without padding. */
  readonly dataSize: number;
  /** How many of these the file holds: fewer where it was cut off. */
  readonly dataThere: number;
}

export interface FitsFile {
  readonly source: ByteSource;
  readonly hdus: readonly Hdu[];
  /** One sentence where the file is damaged behind (or in) the last of the HDUs. */
  readonly problem: string | null;
}

const LONGEST_HEADER = 1000 * RECORD;
const MOST_HDUS = 5000;
const BITS = new Set([8, 16, 32, 64, -32, -64]);

/** Read the headers of a FITS file, compressed by gzip or not. A FormatError where there is not even one. */
export async function openFits(file: ByteSource): Promise<FitsFile> {
  const source = await gunzip(file);
  const hdus: Hdu[] = [];
  let problem: string | null = null;
  let offset = 0;
  while (offset < source.size && hdus.length < MOST_HDUS) {
    try {
      const hdu = await readHdu(source, offset, hdus.length);
      if (hdu === null) {
        break;
      }
      hdus.push(hdu);
      if (hdu.dataThere < hdu.dataSize) {
        problem =
          `The file ends too early: of the ${megabytes(hdu.dataSize)} of data of HDU ${hdu.index} (${hdu.name}) ` +
          `it holds ${megabytes(hdu.dataThere)}.`;
      }
      offset = padded(hdu.dataOffset + hdu.dataSize);
    } catch (error) {
      if (!(error instanceof FormatError) || hdus.length === 0) {
        throw error;
      }
      problem = error.message;
      break;
    }
  }
  if (hdus.length === 0) {
    throw new FormatError('The file is empty.');
  }
  return { source, hdus, problem };
}

function padded(size: number): number {
  return Math.ceil(size / RECORD) * RECORD;
}

async function readHdu(source: ByteSource, offset: number, index: number): Promise<Hdu | null> {
  const cards: string[] = [];
  for (let end = offset; ; ) {
    const record = await source.read(end, RECORD);
    if (end === offset && !isHeader(record, index)) {
      if (index > 0) {
        return null; // special records and padding are allowed behind the last HDU
      }
      throw new FormatError('This is not a FITS file: it does not begin with SIMPLE = T.');
    }
    const piece = readCards(record);
    cards.push(...piece.cards);
    end += RECORD;
    if (piece.ended) {
      return describe(parseHeader(cards), index, end, source.size);
    }
    if (record.length < RECORD || end - offset > LONGEST_HEADER) {
      throw new FormatError(`The header of HDU ${index} has no END: the file is damaged or ends too early.`);
    }
  }
}

function isHeader(record: Uint8Array, index: number): boolean {
  const start = String.fromCharCode(...record.subarray(0, 9));
  return index === 0 ? start === 'SIMPLE  =' : start === 'XTENSION=';
}

function describe(header: Header, index: number, dataOffset: number, fileSize: number): Hdu {
  const bits = header.number('BITPIX', NaN);
  if (!BITS.has(bits)) {
    throw new FormatError(`BITPIX = ${bits} in HDU ${index} is none of 8, 16, 32, 64, -32, -64.`);
  }
  const axes = header.count('NAXIS');
  if (axes > 999) {
    throw new FormatError(`NAXIS = ${axes} in HDU ${index} is above 999.`);
  }
  const shape = Array.from({ length: axes }, (_, axis) => header.count(`NAXIS${axis + 1}`));
  // random groups say NAXIS1 = 0
  const isGroups = shape[0] === 0 && header.text('GROUPS') === 'true';
  const elements = axes === 0 ? 0 : (isGroups ? shape.slice(1) : shape).reduce((size, axis) => size * axis, 1);
  const dataSize = (Math.abs(bits) / 8) * header.count('GCOUNT', 1) * (header.count('PCOUNT', 0) + elements);
  if (!Number.isSafeInteger(dataSize)) {
    throw new FormatError(`The sizes in the header of HDU ${index} multiply to more than any file holds.`);
  }
  const kind = isGroups ? 'other' : kindOf(header, elements);
  return {
    index,
    name: header.text('EXTNAME').trim() || (index === 0 ? 'PRIMARY' : `HDU ${index}`),
    kind,
    header,
    shape: kind === 'compressed' ? compressedShape(header) : shape,
    dataOffset,
    dataSize,
    dataThere: Math.max(0, Math.min(dataSize, fileSize - dataOffset))
  };
}

function kindOf(header: Header, elements: number): HduKind {
  switch (header.text('XTENSION').trim()) {
    case 'BINTABLE':
      return header.text('ZIMAGE') === 'true' ? 'compressed' : 'bintable';
    case 'TABLE':
      return 'asciitable';
    case '':
    case 'IMAGE':
      return elements === 0 ? 'empty' : 'image';
    default:
      return 'other';
  }
}

function compressedShape(header: Header): number[] {
  return Array.from({ length: header.count('ZNAXIS', 0) }, (_, axis) => header.count(`ZNAXIS${axis + 1}`));
}

/** What the tables of OIFITS (Duvert et al. 2017) hold, by their EXTNAME. */
export const OIFITS: Readonly<Record<string, string>> = {
  OI_TARGET: 'Targets',
  OI_ARRAY: 'Array geometry',
  OI_WAVELENGTH: 'Wavelengths',
  OI_CORR: 'Correlations',
  OI_INSPOL: 'Instrumental polarisation',
  OI_VIS: 'Complex visibilities',
  OI_VIS2: 'Squared visibilities',
  OI_T3: 'Bispectra',
  OI_FLUX: 'Fluxes'
};
