/**
 * VOTable 1.0 to 1.5: the XML around the tables, and which of the serialisations each has.
 *
 * The data are cut out of the text before the XML parser sees it: it would make an object of each cell.
 */
import { FormatError } from './source';
import { Column, memoryTable, Note, Table } from './table';
import { binaryTable, decodeBase64 } from './votablebinary';
import { readTabledata } from './tabledata';
import { parseField, VotField } from './votablefield';

export interface Votable {
  readonly tables: readonly Table[];
  /** INFO and PARAM outside of the tables, the state of a query first. */
  readonly notes: readonly Note[];
}

export function isVotable(start: string): boolean {
  return /<([\w.-]+:)?VOTABLE[\s>]/.test(start);
}

/** Read all tables of a document; a FormatError where it is not VOTable or is damaged. */
export async function parseVotable(bytes: Uint8Array): Promise<Votable> {
  const { xml, bodies } = cutData(decodeText(bytes));
  const document = new DOMParser().parseFromString(xml, 'application/xml');
  const root = document.documentElement;
  const broken = document.querySelector('parsererror');
  if (broken) {
    const reason = /error[^:]*: ?(.*)/i.exec(broken.textContent ?? '')?.[1]?.trim() ?? '';
    throw new FormatError(`The file is no well-formed XML${reason ? `: ${reason.slice(0, 200)}` : ''}.`);
  }
  if (root.localName !== 'VOTABLE') {
    throw new FormatError(`This is not a VOTable: its outermost element is <${root.localName}>, not <VOTABLE>.`);
  }
  const elements = [...root.getElementsByTagNameNS('*', '*')];
  const holders = elements.filter(element => element.localName === 'TABLEDATA' || element.localName === 'STREAM');
  const tables: Table[] = [];
  for (const element of elements.filter(candidate => candidate.localName === 'TABLE')) {
    tables.push(await readTable(element, tables.length + 1, holder => bodies[holders.indexOf(holder)] ?? ''));
  }
  const outside = elements.filter(element => !hasAncestor(element, 'TABLE'));
  return { tables, notes: notesOf(outside) };
}

function decodeText(bytes: Uint8Array): string {
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 200));
  const encoding = /^\s*<\?xml[^>]*\bencoding\s*=\s*["']([\w.-]+)["']/.exec(start)?.[1] ?? 'utf-8';
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  const label = isUtf16 ? (bytes[0] === 0xff ? 'utf-16le' : 'utf-16be') : encoding;
  try {
    return new TextDecoder(label).decode(bytes);
  } catch {
    throw new FormatError(`The encoding "${encoding}" of the XML is not known.`);
  }
}

/** The document with its data taken out, and these in their order. */
function cutData(text: string): { xml: string; bodies: string[] } {
  const mark = /<!--[^]*?-->|<!\[CDATA\[[^]*?\]\]>|<!DOCTYPE[^>[]*(\[?)|<(([\w.-]+:)?(TABLEDATA|STREAM))\b[^>]*>/g;
  const bodies: string[] = [];
  let xml = '';
  let kept = 0;
  for (let found = mark.exec(text); found; found = mark.exec(text)) {
    if (found[0].startsWith('<!DOCTYPE')) {
      if (found[1]) {
        throw new FormatError('The XML declares entities of its own (DOCTYPE): it is not read.');
      }
      xml += text.slice(kept, found.index);
      kept = text.indexOf('>', found.index) + 1;
    } else if (found[2] !== undefined) {
      const start = found.index + found[0].length;
      if (found[0].endsWith('/>')) {
        bodies.push('');
        continue;
      }
      const end = text.indexOf(`</${found[2]}`, start);
      if (end < 0) {
        throw new FormatError('The VOTable ends too early: it is cut off in the data of a table.');
      }
      bodies.push(text.slice(start, end));
      xml += text.slice(kept, start);
      kept = mark.lastIndex = end;
    }
  }
  return { xml: xml + text.slice(kept), bodies };
}

async function readTable(table: Element, number: number, body: (holder: Element) => string): Promise<Table> {
  const fields = children(table, 'FIELD').map(parseField);
  const columns: Column[] = fields.map(field => field.column);
  const notes = notesOf([...table.getElementsByTagNameNS('*', '*')]);
  const head = {
    name: table.getAttribute('name') ?? table.getAttribute('ID') ?? `Table ${number}`,
    description: descriptionOf(table),
    columns,
    notes
  };
  const data = children(table, 'DATA')[0];
  const tabledata = data && children(data, 'TABLEDATA')[0];
  if (tabledata) {
    const { cells, rows } = await readTabledata(body(tabledata), fields);
    return memoryTable(head, cells, rows);
  }
  const binary = data && (children(data, 'BINARY2')[0] ?? children(data, 'BINARY')[0]);
  const stream = binary && children(binary, 'STREAM')[0];
  if (!binary || !stream) {
    if (data && data.children.length > 0) {
      const kind = data.children[0]?.localName ?? '';
      const text = `The data of the table are kept as ${kind}: they are not shown.`;
      notes.push({ level: 'warning', name: kind, text });
    }
    return memoryTable(head, [], 0);
  }
  return readStream(head, stream, body(stream), fields, binary.localName === 'BINARY2');
}

async function readStream(
  head: Pick<Table, 'name' | 'description' | 'columns'> & { notes: Note[] },
  stream: Element,
  body: string,
  fields: readonly VotField[],
  hasFlags: boolean
): Promise<Table> {
  const href = stream.getAttribute('href');
  if (href) {
    const text = `The data of the table are in another file, which is not loaded: ${href}`;
    head.notes.push({ level: 'warning', name: 'STREAM', text });
    return memoryTable(head, [], 0);
  }
  const encoding = stream.getAttribute('encoding') ?? 'none';
  if (encoding !== 'base64') {
    throw new FormatError(`The encoding "${encoding}" of a table's stream is not known; base64 is.`);
  }
  return binaryTable(head, await decodeBase64(body), fields, hasFlags);
}

function children(element: Element, name: string): Element[] {
  return [...element.children].filter(child => child.localName === name);
}

function hasAncestor(element: Element, name: string): boolean {
  for (let parent = element.parentElement; parent; parent = parent.parentElement) {
    if (parent.localName === name) {
      return true;
    }
  }
  return false;
}

export function descriptionOf(element: Element): string {
  return children(element, 'DESCRIPTION')[0]?.textContent?.trim().replace(/\s+/g, ' ') ?? '';
}

/** INFO and PARAM elements as notes; what a query's state says comes first. */
function notesOf(elements: readonly Element[]): Note[] {
  const notes = elements
    .filter(element => element.localName === 'INFO' || element.localName === 'PARAM')
    .map((element): Note => {
      const name = element.getAttribute('name') ?? element.localName;
      const value = element.getAttribute('value') ?? '';
      const unit = element.getAttribute('unit') ?? '';
      const said = element.localName === 'INFO' ? (element.textContent?.trim() ?? '') : descriptionOf(element);
      const text = [[value, unit].filter(Boolean).join(' '), said].filter(Boolean).join(': ');
      return { level: levelOf(name, value), name, text };
    });
  const order = { error: 0, warning: 1, info: 2 };
  return notes.sort((a, b) => order[a.level] - order[b.level]);
}

function levelOf(name: string, value: string): Note['level'] {
  if (name === 'Error' || name === 'error' || (name === 'QUERY_STATUS' && value === 'ERROR')) {
    return 'error';
  }
  return name === 'Warning' || (name === 'QUERY_STATUS' && value === 'OVERFLOW') ? 'warning' : 'info';
}
