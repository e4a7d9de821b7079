/**
 * What an archive tells of itself before it is searched: names of targets, words for the form's choices, tables.
 */
import { IArchiveService } from './api';
import { OBSCORE_PRODUCTS } from './query';
import { ISchemaTable, readSchema, SCHEMA_QUERY } from './schema';
import { INames } from './targets';

/** Words of the archive for the choices of the form. */
export interface IChoices {
  readonly productTypes: readonly string[];
  readonly collections: readonly string[];
  readonly instruments: readonly string[];
}

export interface IContents {
  readonly names: INames;
  /** `target_name` of its runs. */
  readonly observed: readonly string[];
  readonly choices: IChoices;
  readonly schema: readonly ISchemaTable[];
}

export const NOTHING: IContents = {
  names: { targets: [], resolver: '' },
  observed: [],
  choices: { productTypes: [], collections: [], instruments: [] },
  schema: []
};

/** Words of a column that are offered, and columns of a service that are listed, at most. */
const WORDS = 5000;
const COLUMNS = 100_000;

/** Of the own archive; rejects where it cannot be asked. */
export async function ownContents(service: IArchiveService): Promise<IContents> {
  const distinct = async (column: string): Promise<readonly string[]> => {
    const adql = `SELECT DISTINCT ${column} FROM ivoa.obscore WHERE ${column} IS NOT NULL ORDER BY ${column}`;
    const { table } = await service.rows(adql, WORDS);
    return [...(table.texts(column) ?? [])];
  };
  const [names, observed, productTypes, collections, instruments, schema] = await Promise.all([
    service.sources(),
    distinct('target_name'),
    distinct('dataproduct_type'),
    distinct('obs_collection'),
    distinct('instrument_name'),
    schemaOf(service)
  ]);
  return { names, observed, choices: { productTypes, collections, instruments }, schema };
}

/** What a service of unknown size has is not looked through: the choices are ObsCore's own, or typed. */
export async function remoteContents(service: IArchiveService, own: IArchiveService): Promise<IContents> {
  const [names, schema] = await Promise.all([own.sources(), schemaOf(service)]);
  return { ...NOTHING, names, choices: { ...NOTHING.choices, productTypes: OBSCORE_PRODUCTS }, schema };
}

async function schemaOf(service: IArchiveService): Promise<ISchemaTable[]> {
  return readSchema((await service.rows(SCHEMA_QUERY, COLUMNS)).table);
}
