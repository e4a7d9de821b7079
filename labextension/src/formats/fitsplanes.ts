/**
 * What the planes of a cube are: energies of gammapy's maps, or values of a linear third axis.
 */
import { FitsFile, Hdu } from './fits';
import { openTable } from './fitstable';
import { Table } from './table';

/** A label for each plane, '' where nothing is known of it. */
export async function planeLabels(file: FitsFile, hdu: Hdu): Promise<string[]> {
  const count = hdu.shape[2] ?? 1;
  if (hdu.shape.length !== 3 || count > 10_000) {
    return [];
  }
  const bands = file.hdus.find(each => each.kind === 'bintable' && each.name === hdu.header.text('BANDSHDU').trim());
  if (bands) {
    try {
      return await bandLabels(openTable(file.source, bands), count);
    } catch {
      return []; // a damaged table of bands does not keep the map from being seen
    }
  }
  const { header } = hdu;
  if (!header.has('CRVAL3') && !header.has('CDELT3')) {
    return [];
  }
  const [value, pixel] = [header.number('CRVAL3', 0), header.number('CRPIX3', 1)];
  const step = header.number('CDELT3', header.number('CD3_3', 1));
  const unit = header.text('CUNIT3').trim();
  const name = header.text('CTYPE3').trim();
  return Array.from({ length: count }, (_, plane) =>
    [name, shown(value + (plane + 1 - pixel) * step), unit].filter(Boolean).join(' ')
  );
}

/** Maps of gammapy keep the edges of their axes in a table, a row for each plane. */
async function bandLabels(table: Table, count: number): Promise<string[]> {
  const at = (name: string): number => table.columns.findIndex(column => column.name.toUpperCase() === name);
  const [low, high, middle] = [at('E_MIN'), at('E_MAX'), at('ENERGY')];
  await table.load(0, count);
  return Array.from({ length: count }, (_, row) => {
    const value = (column: number): string => shown(Number(table.cell(row, column) ?? NaN));
    if (low >= 0 && high >= 0) {
      return `${value(low)} – ${value(high)} ${table.columns[low]?.unit ?? ''}`;
    }
    return middle >= 0 ? `${value(middle)} ${table.columns[middle]?.unit ?? ''}` : '';
  });
}

function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}
