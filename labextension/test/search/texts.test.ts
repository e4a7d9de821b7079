import { expect, it } from 'vitest';

import { TextReader } from '../../src/grid/texts';

function read(reader: TextReader, text: string): string {
  const bytes = new TextEncoder().encode(`<${text}>`);
  return reader.read(bytes, 1, bytes.length - 1);
}

it('reads any text, again and again', () => {
  const reader = new TextReader();
  const texts = ['', 'Crab', 'ω Cen', 'Crab', 'x'.repeat(200_000), 'Aa', 'BB', 'Aa', '𝜔'];
  expect(texts.map(text => read(reader, text))).toEqual(texts); // Aa and BB have the same hash
  expect(read(reader, 'Crab\u0000\u0000')).toBe('Crab');
});

it('reads more different texts than it keeps', () => {
  const reader = new TextReader();
  for (let row = 0; row < 25_000; row++) {
    if (read(reader, `run ${row}`) !== `run ${row}`) {
      throw new Error(`run ${row} was read wrongly`);
    }
  }
});
