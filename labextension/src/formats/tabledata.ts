/**
 * The TABLEDATA of a VOTable: rows and cells as elements, read without an XML parser.
 */
import { breather, FormatError } from './source';
import { Cell } from './table';
import { readText, VotField } from './votablefield';

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

export async function readTabledata(
  body: string,
  fields: readonly VotField[]
): Promise<{ cells: Cell[][]; rows: number }> {
  const tag = /<!--[^]*?-->|<(\/?)(?:[\w.-]+:)?(TR|TD)\b([^>]*)>/g;
  const breathe = breather();
  const cells: Cell[][] = fields.map(() => []);
  let rows = 0;
  let column = 0;
  for (let found = tag.exec(body); found; found = tag.exec(body)) {
    const isEnd = found[1] === '/';
    if (found[2] === 'TD' && !isEnd) {
      const isEmpty = found[3]?.endsWith('/') === true;
      const start = tag.lastIndex;
      const end = isEmpty ? start : endOfCell(body, start);
      const field = fields[column];
      if (!field) {
        throw new FormatError(`Row ${rows + 1} of the VOTable has more cells than the table has fields.`);
      }
      cells[column]?.push(readText(plainText(body.slice(start, end)), field));
      tag.lastIndex = end;
      column++;
    } else if (found[2] === 'TR' && (isEnd || found[3]?.endsWith('/') === true)) {
      for (; column < fields.length; column++) {
        cells[column]?.push(null);
      }
      rows++;
      column = 0;
      if (rows % 500 === 0) {
        await breathe();
      }
    }
  }
  return { cells, rows };
}

/** Where the text of a cell ends; "</" cannot be in it but in a CDATA section. */
function endOfCell(body: string, start: number): number {
  let end = body.indexOf('</', start);
  for (let open = body.indexOf('<![CDATA[', start); open >= 0 && open < end; ) {
    const close = body.indexOf(']]>', open);
    end = close < 0 ? -1 : body.indexOf('</', close);
    open = close < 0 ? -1 : body.indexOf('<![CDATA[', close);
  }
  if (end < 0) {
    throw new FormatError('The VOTable is damaged: a cell (TD) does not end.');
  }
  return end;
}

function plainText(text: string): string {
  if (!text.includes('&') && !text.includes('<')) {
    return text;
  }
  return text.replace(
    /<!\[CDATA\[([^]*?)\]\]>|<!--[^]*?-->|&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi,
    (_, cdata?: string, hex?: string, decimal?: string, name?: string) => {
      if (hex ?? decimal) {
        const code = hex ? parseInt(hex, 16) : Number(decimal);
        return code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
      }
      return cdata ?? (name === undefined ? '' : (ENTITIES[name] ?? `&${name};`));
    }
  );
}
