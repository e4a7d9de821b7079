/**
 * The files that fixtures/make.py wrote, and what astropy read in them.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

import { ByteSource, memorySource } from '../../src/formats/source';
import { Cell, Table } from '../../src/formats/table';

export function bytes(name: string): Uint8Array {
  const content = new Uint8Array(readFileSync(`test/formats/fixtures/${name}`));
  return name.endsWith('.gz') ? new Uint8Array(gunzipSync(content)) : content;
}

export function source(name: string): ByteSource {
  return memorySource(bytes(name));
}

/** The type is what the caller knows of the file. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
export function json<T>(name: string): T {
  return JSON.parse(new TextDecoder().decode(bytes(name)), (_, value: unknown) => (value === 0 ? 0 : value)) as T;
}

/** A cell in the manner of the script: complex as [re, im], NaN as null, long integers as text. */
export function plain(cell: Cell | undefined): unknown {
  if (typeof cell === 'bigint') {
    return cell.toString();
  }
  if (typeof cell === 'number') {
    return Number.isNaN(cell) ? null : cell === 0 ? 0 : cell;
  }
  if (typeof cell === 'object' && cell !== null) {
    return 're' in cell ? [plain(cell.re), plain(cell.im)] : cell.map(plain);
  }
  return cell;
}

export function column(table: Table, name: string): unknown[] {
  const at = table.columns.findIndex(candidate => candidate.name === name);
  return Array.from({ length: table.rows }, (_, row) => plain(table.cell(row, at)));
}
