/**
 * The tables of a TAP service, as its TAP_SCHEMA describes them (TAP 1.1, section 4).
 */
import { Table } from '../grid/table';

export interface ISchemaColumn {
  readonly name: string;
  readonly datatype: string;
  readonly unit: string;
  readonly ucd: string;
  readonly description: string;
}

export interface ISchemaTable {
  readonly name: string;
  readonly columns: readonly ISchemaColumn[];
}

export const SCHEMA_QUERY =
  'SELECT table_name, column_name, datatype, unit, ucd, description FROM TAP_SCHEMA.columns ORDER BY table_name, column_name';

/** ADQL 2.1's own functions, and those that TAP services of the IVOA share. */
export const FUNCTIONS: readonly string[] =
  `ABS ACOS AREA ASIN ATAN ATAN2 AVG BOX CEILING CENTROID CIRCLE COALESCE CONTAINS COORD1 COORD2 COS COT COUNT
  DEGREES DISTANCE EXP FLOOR INTERSECTS IN_UNIT LOG LOG10 LOWER MAX MIN MOD PI POINT POLYGON POWER RADIANS RAND
  REGION ROUND SIGN SIN SQRT SUM TAN TRUNCATE UPPER`.split(/\s+/);

/** The archive's own tables first, then TAP_SCHEMA. */
export function readSchema(table: Table): ISchemaTable[] {
  const found = new Map<string, ISchemaColumn[]>();
  const text = (name: string, row: number): string => table.texts(name)?.[row] ?? '';
  for (let row = 0; row < table.rowCount; row++) {
    const name = text('table_name', row);
    const columns = found.get(name) ?? [];
    columns.push({
      name: text('column_name', row),
      datatype: text('datatype', row),
      unit: text('unit', row),
      ucd: text('ucd', row),
      description: text('description', row)
    });
    found.set(name, columns);
  }
  const isSchema = (name: string): number => Number(name.toLowerCase().startsWith('tap_schema.'));
  return [...found]
    .map(([name, columns]) => ({ name, columns }))
    .sort((a, b) => isSchema(a.name) - isSchema(b.name) || a.name.localeCompare(b.name));
}
