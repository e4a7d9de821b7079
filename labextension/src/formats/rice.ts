/**
 * Rice's compression of integers as FITS has it (FITS 4.0, section 10.4.1; Rice, Yeh and Miller 1993).
 */
import { FormatError } from './source';

/** For integers of 1, 2, 4 bytes: bits of a block's code, and the code that says that its differences are not packed. */
const CODES: Readonly<Record<number, readonly [number, number]>> = { 1: [3, 6], 2: [4, 14], 4: [5, 25] };

/** The bits of some bytes, the highest of each first. */
class Bits {
  constructor(
    private readonly _bytes: Uint8Array,
    private _at = 0
  ) {}

  /** The next `count` bits, up to 32, as a number without a sign. */
  take(count: number): number {
    let value = 0;
    for (let needed = count; needed > 0; ) {
      if (this._left === 0) {
        this._next();
      }
      const taken = Math.min(needed, this._left);
      this._left -= taken;
      value = value * 2 ** taken + ((this._byte >> this._left) & (2 ** taken - 1));
      needed -= taken;
    }
    return value;
  }

  /** How many bits are 0 before the next 1, which is taken, too. */
  zeros(): number {
    let count = 0;
    for (;;) {
      if (this._left === 0) {
        this._next();
      }
      const rest = this._byte & (2 ** this._left - 1);
      if (rest !== 0) {
        const left = 31 - Math.clz32(rest);
        count += this._left - 1 - left;
        this._left = left;
        return count;
      }
      count += this._left;
      this._left = 0;
    }
  }

  private _next(): void {
    const byte = this._bytes[this._at];
    if (byte === undefined) {
      throw new FormatError('A tile of the image ends too early: its compressed data are damaged.');
    }
    this._byte = byte;
    this._left = 8;
    this._at++;
  }

  private _byte = 0;
  private _left = 0;
}

/**
 * Unpack `count` integers that had `size` bytes each: of one byte without a sign, of 2 and 4 with one.
 *
 * `block` of them share a code.
 */
export function unpackRice(bytes: Uint8Array, count: number, size: number, block: number): Int32Array {
  const codes = CODES[size];
  if (codes === undefined || !Number.isInteger(block) || block < 1) {
    throw new FormatError(`RICE_1 with BYTEPIX = ${size} and BLOCKSIZE = ${block} is not known; BYTEPIX is 1, 2 or 4.`);
  }
  const [codeBits, raw] = codes;
  const bits = new Bits(bytes);
  const values = new Int32Array(count);
  const narrow = size === 1 ? (value: number) => value & 0xff : size === 2 ? (value: number) => (value << 16) >> 16 : (value: number) => value | 0;
  let last = narrow(bits.take(8 * size));
  for (let at = 0; at < count; ) {
    const end = Math.min(count, at + block);
    const code = bits.take(codeBits) - 1;
    for (; at < end; at++) {
      if (code >= 0) {
        const folded = code === raw ? bits.take(8 * size) : bits.zeros() * 2 ** code + bits.take(code);
        // 0, -1, 1, -2 ... were folded into 0, 1, 2, 3 ...
        last = narrow(last + (folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2));
      }
      values[at] = last;
    }
  }
  return values;
}
