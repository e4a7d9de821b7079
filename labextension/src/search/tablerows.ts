/**
 * How many rows the tables of a service have, where it tells (`nrows` of VODataService 1.2 in VOSI's tables).
 */
import { IArchiveService } from './api';

/** Of a document that goes on after so many bytes nothing is told: it is no short description of the tables. */
export const LONGEST = 4_000_000;

/** Rows by the name of the table, in small letters. Empty for what is no such document. */
export function readTableRows(xml: string): Map<string, number> {
  const found = new Map<string, number>();
  // a document with a DTD could be made to grow without end
  const root = /<!DOCTYPE/i.test(xml) ? null : new DOMParser().parseFromString(xml, 'application/xml').documentElement;
  for (const table of root?.localName === 'tableset' ? root.getElementsByTagName('table') : []) {
    const text = (name: string): string =>
      [...table.children].find(child => child.localName === name)?.textContent?.trim() ?? '';
    if (/^\d{1,15}$/.test(text('nrows'))) {
      found.set(text('name').toLowerCase(), Number(text('nrows')));
    }
  }
  return found;
}

/** Asked of each service once, when somebody looks at its tables. */
export class TableRows {
  constructor(private readonly _changed: () => void) {}

  /** Null where it is not known. */
  of(service: IArchiveService, table: string): number | null {
    return this._found.get(service)?.get(table.toLowerCase()) ?? null;
  }

  /** Never rejects: without an answer nothing is known. */
  async load(service: IArchiveService): Promise<void> {
    if (!this._found.has(service)) {
      this._found.set(service, new Map());
      try {
        this._found.set(service, readTableRows(await service.tableset()));
        this._changed();
      } catch {
        // the tables themselves are known by TAP_SCHEMA
      }
    }
  }

  private readonly _found = new WeakMap<IArchiveService, ReadonlyMap<string, number>>();
}
