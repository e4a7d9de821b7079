/**
 * Headers of FITS files (FITS 4.0, section 4): cards, with long strings and HIERARCH.
 */
import { FormatError } from './source';

export const RECORD = 2880;
const CARD = 80;

/** null is an undefined value, undefined a card that has none (COMMENT, HISTORY, blank). */
export type CardValue = string | number | bigint | boolean | null | undefined;

export interface Card {
  readonly keyword: string;
  readonly value: CardValue;
  readonly comment: string;
}

/** The cards of one header data unit, with the values that the code needs by keyword. */
export class Header {
  constructor(readonly cards: readonly Card[]) {
    for (const card of cards) {
      if (card.value !== undefined && !this._values.has(card.keyword)) {
        this._values.set(card.keyword, card.value);
      }
    }
  }

  has(keyword: string): boolean {
    return (this._values.get(keyword) ?? null) !== null;
  }

  /** The value as a number; the default where there is none. */
  number(keyword: string, otherwise: number): number {
    const value = this._values.get(keyword);
    if (value === undefined || value === null) {
      return otherwise;
    }
    // some writers quote numbers
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number === 'boolean' || Number.isNaN(Number(number)) || number === '') {
      throw new FormatError(`${keyword} = ${JSON.stringify(value)} in the header should be a number.`);
    }
    return Number(number);
  }

  /** The value as a whole number that is not negative. */
  count(keyword: string, otherwise?: number): number {
    const value = this.number(keyword, otherwise ?? NaN);
    if (!Number.isSafeInteger(value) || value < 0) {
      const found = this.has(keyword) ? `${keyword} = ${value}` : `${keyword} is missing`;
      throw new FormatError(`${found} in the header; a whole number from 0 on is needed.`);
    }
    return value;
  }

  text(keyword: string): string {
    const value = this._values.get(keyword);
    return value === undefined || value === null ? '' : String(value);
  }

  /** An integer with all its digits. */
  bigint(keyword: string): bigint | null {
    const value = this._values.get(keyword);
    if (typeof value === 'bigint') {
      return value;
    }
    return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : null;
  }

  private readonly _values = new Map<string, CardValue>();
}

/** The cards of a piece of a header, and whether END is among them. */
export function readCards(bytes: Uint8Array): { cards: string[]; ended: boolean } {
  const text = latin1.decode(bytes);
  const cards: string[] = [];
  for (let at = 0; at + CARD <= text.length; at += CARD) {
    const card = text.slice(at, at + CARD);
    if (/^END {5}/.test(card)) {
      return { cards, ended: true };
    }
    cards.push(card);
  }
  return { cards, ended: false };
}

const latin1 = new TextDecoder('latin1');

export function parseHeader(cards: readonly string[]): Header {
  const parsed: Card[] = [];
  for (const text of cards) {
    const card = parseCard(text);
    const before = parsed.at(-1);
    if (card.keyword === 'CONTINUE' && typeof before?.value === 'string' && before.value.endsWith('&')) {
      parsed[parsed.length - 1] = {
        keyword: before.keyword,
        value: (before.value.slice(0, -1) + String(card.value ?? '')).trimEnd(),
        comment: [before.comment, card.comment].filter(Boolean).join(' ')
      };
    } else {
      parsed.push(card);
    }
  }
  return new Header(parsed);
}

function parseCard(text: string): Card {
  const keyword = text.slice(0, 8).trimEnd();
  if (keyword === 'HIERARCH') {
    const equals = text.indexOf('=');
    if (equals > 0) {
      return { keyword: text.slice(9, equals).trim(), ...parseValue(text.slice(equals + 1)) };
    }
  }
  if (keyword === 'CONTINUE') {
    return { keyword, ...parseValue(text.slice(8)) };
  }
  if (text.startsWith('= ', 8) && keyword !== 'COMMENT' && keyword !== 'HISTORY' && keyword !== '') {
    return { keyword, ...parseValue(text.slice(10)) };
  }
  return { keyword, value: undefined, comment: text.slice(8).trimEnd() };
}

function parseValue(text: string): Omit<Card, 'keyword'> {
  const quoted = /^ *'((?:[^']|'')*)'(.*)$/s.exec(text);
  if (quoted) {
    return { value: (quoted[1] ?? '').replaceAll("''", "'").trimEnd(), comment: commentOf(quoted[2] ?? '') };
  }
  const slash = text.indexOf('/');
  const value = (slash < 0 ? text : text.slice(0, slash)).trim();
  return { value: parseScalar(value), comment: slash < 0 ? '' : text.slice(slash + 1).trim() };
}

function commentOf(rest: string): string {
  const slash = rest.indexOf('/');
  return slash < 0 ? '' : rest.slice(slash + 1).trim();
}

function parseScalar(text: string): CardValue {
  if (text === '') {
    return null;
  }
  if (text === 'T' || text === 'F') {
    return text === 'T';
  }
  if (/^[-+]?\d+$/.test(text)) {
    const number = Number(text);
    return Number.isSafeInteger(number) ? number : BigInt(text.replace('+', ''));
  }
  if (/^[-+]?(\d+\.?\d*|\.\d+)([EeDd][-+]?\d+)?$/.test(text)) {
    return Number(text.replace(/[Dd]/, 'E'));
  }
  return text; // complex numbers, and what other programs wrote
}
