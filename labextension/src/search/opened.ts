/**
 * The row of which the links are shown.
 */
import { messageOf } from '../errors';
import { Table } from '../grid/table';
import { IArchiveService, ILink } from './api';

export interface IOpened {
  readonly row: number;
  readonly did: string;
  readonly title: string;
  readonly links: readonly ILink[] | null;
  readonly error: string | null;
}

export class OpenedRow {
  constructor(private readonly _changed: () => void) {}

  /** Null where none is open. */
  get value(): IOpened | null {
    return this._value;
  }

  /** Read the links of a row: by DataLink, or without a service from the row itself. Never rejects. */
  async open(table: Table, row: number, service: IArchiveService | null): Promise<void> {
    const did = table.texts('obs_publisher_did')?.[row] ?? '';
    if (did === '') {
      return;
    }
    const id = table.column('obs_id')?.values[row];
    const title = [id, table.texts('target_name')?.[row]].filter(part => part !== undefined && part !== '').join(' · ');
    const base = { row, did, title: title || did };
    if (service === null) {
      this._show({ ...base, links: accessOf(table, row), error: null });
      return;
    }
    this._show({ ...base, links: null, error: null });
    try {
      const links = await service.links(did);
      if (this._value?.did === did) {
        this._show({ ...base, links, error: null });
      }
    } catch (error) {
      if (this._value?.did === did) {
        this._show({ ...base, links: null, error: messageOf(error) });
      }
    }
  }

  close(): void {
    this._show(null);
  }

  private _show(value: IOpened | null): void {
    this._value = value;
    this._changed();
  }

  private _value: IOpened | null = null;
}

/** What the service of others tells of a row's data: where they are. */
function accessOf(table: Table, row: number): ILink[] {
  const text = (name: string): string => table.texts(name)?.[row] ?? '';
  const url = text('access_url');
  if (!/^https?:\/\//.test(url)) {
    return [];
  }
  const contentType = text('access_format');
  const isLinks = contentType.includes('content=datalink');
  const size = 1000 * (table.numbers('access_estsize')?.[row] ?? NaN);
  const link = { url, contentType, size, qualifier: '', error: '', serviceDef: '' };
  return [{ ...link, semantics: isLinks ? '#datalink' : '#this', description: isLinks ? 'DataLink' : url }];
}
