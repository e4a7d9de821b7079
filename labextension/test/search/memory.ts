/**
 * An archive in memory, for the tests of what asks one.
 */
import { Table } from '../../src/grid/table';
import { IRemote } from '../../src/http';
import { IArchiveService, ILink, IRows } from '../../src/search/api';
import { INames } from '../../src/search/targets';

/** A table of texts, as answers have it. */
export function tableOf(columns: Readonly<Record<string, readonly string[]>>): Table {
  const names = Object.keys(columns);
  const text = { datatype: 'char', arraysize: '*', unit: '', ucd: '', description: '' };
  const table = new Table(names.map(name => ({ name, ...text })));
  for (const column of table.columns) {
    if (column.kind === 'text') {
      column.values = [...(columns[column.field.name] ?? [])];
      table.rowCount = column.values.length;
    }
  }
  return table;
}

/** An archive in memory. */
export class MemoryArchive implements IArchiveService {
  readonly asked: string[] = [];
  readonly others = new Map<string, MemoryArchive>();
  trouble: Error | null = null;
  tables = ['tap_schema.tables', 'ivoa.obscore'];
  described = '';
  overflow = false;
  resolver = '';
  readonly named: string[] = [];
  /** Answers wait for these, where there are any. */
  gates: Promise<void>[] = [];

  async rows(adql: string, maxrec: number | null): Promise<IRows> {
    this.asked.push(adql);
    await this.gates.shift();
    if (this.trouble !== null) {
      throw this.trouble;
    }
    if (adql.includes('TAP_SCHEMA')) {
      const table = tableOf({ table_name: this.tables, column_name: ['table_name', 's_ra'] });
      return { table, overflow: false };
    }
    const distinct = /^SELECT DISTINCT (\w+)/.exec(adql)?.[1];
    if (distinct !== undefined) {
      return { table: tableOf({ [distinct]: [`a ${distinct}`] }), overflow: false };
    }
    if (adql.startsWith('SELECT COUNT')) {
      const counts = new Table([
        { name: 'total', datatype: 'long', arraysize: '', unit: '', ucd: '', description: '' }
      ]);
      counts.numbers('total')?.set([1661]);
      counts.rowCount = 1;
      return { table: counts, overflow: false };
    }
    const dids = ['ivo://a?1', 'ivo://a?2', 'ivo://a?1'];
    const overflow = this.overflow && (maxrec ?? 0) < 1_000_000;
    return { table: tableOf({ obs_id: ['1', '2', '1'], obs_publisher_did: dids }), overflow };
  }

  sources(name = ''): Promise<INames> {
    this.named.push(name);
    if (this.trouble !== null) {
      return Promise.reject(this.trouble);
    }
    const found = { name: '3C 273', aliases: [], ra: 187.2779, dec: 2.0524, kind: 'QSO', reference: 'CDS Sesame, Simbad: 3C 273' };
    return Promise.resolve({ targets: name === '' ? [] : [found], resolver: this.resolver });
  }

  links(did: string): Promise<ILink[]> {
    return did.endsWith('2') ? Promise.reject(new Error('gone')) : Promise.resolve([]);
  }

  tableset(): Promise<string> {
    this.asked.push('tables');
    return this.trouble === null ? Promise.resolve(this.described) : Promise.reject(this.trouble);
  }

  examples(): Promise<string> {
    return Promise.resolve('');
  }

  file(): Promise<Blob> {
    return Promise.resolve(new Blob());
  }

  remotes(): Promise<IRemote[]> {
    return Promise.resolve([...this.others.keys()].map(name => ({ name, kind: 'tap', title: name, url: `https://${name}` })));
  }

  at(remote: IRemote | null): MemoryArchive {
    return (remote && this.others.get(remote.name)) ?? this;
  }
}
