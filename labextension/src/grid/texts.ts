/**
 * The texts of a column, from their bytes: of those that repeat there is one in memory, and most are read without a new one.
 */

/** Of more distinct texts than this it is not worth looking for one that was there before. */
const KEPT = 20_000;
/** Longer ones are read by the browser's decoder: arguments of a call are limited. */
const SHORT = 1024;

const utf8 = new TextDecoder();

export class TextReader {
  /** The text in `bytes` from one place to before another, or to its first NUL; UTF-8. */
  read(bytes: Uint8Array, from: number, to: number): string {
    let [end, all, hash] = [from, 0, 0];
    for (; end < to; end++) {
      const byte = bytes[end] ?? 0;
      if (byte === 0) {
        break;
      }
      all |= byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    if (all > 127 || end - from > SHORT) {
      return utf8.decode(bytes.subarray(from, end));
    }
    const kept = this._kept.get(hash);
    if (kept !== undefined && isSame(kept, bytes, from, end)) {
      return kept;
    }
    // several times faster than the decoder, which is made for long texts
    const text = String.fromCharCode.apply(null, bytes.subarray(from, end) as unknown as number[]);
    if (kept === undefined && this._kept.size < KEPT) {
      this._kept.set(hash, text);
    }
    return text;
  }

  private readonly _kept = new Map<number, string>();
}

function isSame(text: string, bytes: Uint8Array, from: number, end: number): boolean {
  if (text.length !== end - from) {
    return false;
  }
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) !== bytes[from + at]) {
      return false;
    }
  }
  return true;
}
