/**
 * The search form, and the ADQL that it stands for (ADQL 2.1 on `ivoa.obscore`, ObsCore 1.1).
 */
import { messageOf } from '../errors';
import { IPosition, parsePosition } from './coordinates';
import { TargetNames } from './targets';

/** Planck's constant times the speed of light [TeV m]: em_min = HC / highest energy. */
export const HC_TEV_M = 1.239841984332e-18;
/** Event lists by any of the words that archives have for them. */
const EVENTS = ['event', 'event-list', 'hea-event-list', 'hea-event-bundle'];

/** The table of ObsCore 1.1. */
export const OBSCORE = 'ivoa.obscore';
/** Its words for `dataproduct_type` (section 3.3.1), and those for high energies. */
export const OBSCORE_PRODUCTS: readonly string[] =
  'event-list image cube spectrum sed timeseries visibility measurements'.split(' ');

/** The columns of a search, those an observer looks at first in front. */
export const COLUMNS: readonly string[] = [
  'obs_id',
  'target_name',
  'obs_collection',
  't_exptime',
  's_ra',
  's_dec',
  't_min',
  't_max',
  's_fov',
  'em_min',
  'em_max',
  'dataproduct_type',
  'facility_name',
  'instrument_name',
  's_region',
  'obs_publisher_did'
];

/** Most targets of a search, separated by semicolons. */
export const TARGETS = 50;

/** As typed. Times are MJD in TT, for the four fields of each show one time. */
export interface ISearchForm {
  readonly target: string;
  /** [deg] */
  readonly radius: string;
  readonly start: number | null;
  readonly stop: number | null;
  /** [TeV] */
  readonly energyMin: string;
  readonly energyMax: string;
  readonly productType: string;
  readonly collection: string;
  readonly instrument: string;
  /** [s] */
  readonly exposure: string;
}

export const EMPTY_FORM: ISearchForm = {
  target: '',
  radius: '2',
  start: null,
  stop: null,
  energyMin: '',
  energyMax: '',
  productType: 'event',
  collection: '',
  instrument: '',
  exposure: ''
};

export type FieldErrors = Readonly<Partial<Record<keyof ISearchForm, string>>>;

export interface ICone extends IPosition {
  /** [deg] */
  readonly radius: number;
}

export interface IFormQuery {
  readonly adql: string;
  readonly where: readonly string[];
  /** The circles that are searched, one for each target with a position. */
  readonly cones: readonly ICone[];
  /** What is wrong, by field: such a field constrains nothing, and nothing is sent while there is one. */
  readonly errors: FieldErrors;
}

/** A string literal: quotes doubled, so that no value can end it. Control characters, which no name has, go. */
export function quoted(text: string): string {
  // eslint-disable-next-line no-control-regex
  return `'${text.replace(/[\u0000-\u001f\u007f]/g, ' ').replace(/'/g, "''")}'`;
}

function number(name: string, text: string, unit: string, range: (value: number) => boolean, allowed: string): number | null {
  if (text.trim() === '') {
    return null;
  }
  const value = Number(text);
  if (!Number.isFinite(value) || !range(value)) {
    throw new Error(`${name}: '${text.trim().slice(0, 40)}' is not ${allowed} ${unit}`);
  }
  return value;
}

/** The query of a form, with `more` columns. Names are looked up in `names`; what cannot be understood is in `errors`. */
export function queryOf(form: ISearchForm, names: TargetNames, more: readonly string[] = []): IFormQuery {
  const errors: Partial<Record<keyof ISearchForm, string>> = {};
  const where: string[] = [];
  const attempt = <T>(field: keyof ISearchForm, read: () => T): T | null => {
    try {
      return read();
    } catch (error) {
      errors[field] = messageOf(error);
      return null;
    }
  };
  const radius = attempt('radius', () =>
    number('radius', form.radius, 'deg', value => value > 0 && value <= 180, 'a number above 0 and at most 180')
  );
  const targets = attempt('target', () => targetsOf(form.target, names)) ?? [];
  if (radius === null && errors.radius === undefined && targets.some(target => target.position)) {
    errors.radius = 'radius: it is empty, allowed is a number above 0 and at most 180 deg';
  }
  const cones: ICone[] = [];
  const near = targets.flatMap(({ position, observed }) => {
    if (position === null) {
      return `target_name = ${quoted(observed)}`;
    }
    if (radius === null) {
      return [];
    }
    // to a few milliarcseconds, as the query is written: whoever takes the circle over has the same numbers
    const [ra, dec] = [position.ra, position.dec].map(angle => Number(angle.toFixed(6))) as [number, number];
    cones.push({ ra, dec, radius });
    return `1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(${ra.toFixed(6)}, ${dec.toFixed(6)}, ${plain(radius)}))`;
  });
  if (near.length > 0) {
    where.push(near.length > 1 ? `(${near.join('\n    OR ')})` : near.join());
  }
  if (form.start !== null && form.stop !== null && form.start > form.stop) {
    errors.stop = 'time: the end is before the start';
  }
  if (form.start !== null) {
    where.push(`t_max >= ${form.start.toFixed(8)}`);
  }
  if (form.stop !== null) {
    where.push(`t_min <= ${form.stop.toFixed(8)}`);
  }
  const [low, high] = (['energyMin', 'energyMax'] as const).map(field =>
    attempt(field, () => number('energy', form[field], 'TeV', value => value > 0, 'a number above 0'))
  );
  if (low && high && low > high) {
    errors.energyMax = `energy: the highest, ${plain(high)} TeV, is below the lowest, ${plain(low)} TeV`;
  }
  if (low) {
    where.push(`em_min <= ${(HC_TEV_M / low).toExponential(9)}`);
  }
  if (high) {
    where.push(`em_max >= ${(HC_TEV_M / high).toExponential(9)}`);
  }
  if (form.productType === 'event') {
    where.push(`dataproduct_type IN (${EVENTS.map(quoted).join(', ')})`);
  } else if (form.productType !== '') {
    where.push(`dataproduct_type = ${quoted(form.productType)}`);
  }
  if (form.collection !== '') {
    where.push(`obs_collection = ${quoted(form.collection)}`);
  }
  if (form.instrument !== '') {
    where.push(`instrument_name = ${quoted(form.instrument)}`);
  }
  const exposure = attempt('exposure', () =>
    number('exposure', form.exposure, 's', value => value >= 0, 'a number of 0 or more')
  );
  if (exposure !== null) {
    where.push(`t_exptime >= ${plain(exposure)}`);
  }
  const conditions = where.length > 0 ? `\nWHERE ${where.join('\n  AND ')}` : '';
  const adql = `SELECT ${COLUMNS.slice(0, 8).join(', ')},\n  ${[...COLUMNS.slice(8), ...more].join(', ')}\nFROM ivoa.obscore${conditions}`;
  return { adql, where, cones, errors };
}

interface ITarget {
  readonly position: IPosition | null;
  readonly observed: string;
}

/** The targets that were typed, each a name or coordinates. */
export function targetParts(text: string): string[] {
  return text
    .split(';')
    .map(part => part.trim())
    .filter(Boolean);
}

function targetsOf(text: string, names: TargetNames): ITarget[] {
  const parts = targetParts(text);
  if (parts.length > TARGETS) {
    throw new Error(`target: there are ${parts.length}, allowed are at most ${TARGETS}; in Python search(targets=…) takes more`);
  }
  return parts.map(part => targetOf(part, names));
}

function targetOf(name: string, names: TargetNames): ITarget {
  const position = parsePosition(name) ?? names.find(name);
  if (position !== null) {
    return { position, observed: '' };
  }
  const observed = names.findObserved(name);
  if (observed !== null) {
    return { position: null, observed };
  }
  const near = names.suggest(name, 3).map(suggestion => suggestion.name);
  const hint = near.length > 0 ? `did you mean ${near.join(', ')}?` : "allowed are coordinates, too, as '83.63 22.01'";
  throw new Error(`target: '${name.slice(0, 60)}' is not known here; ${hint}`);
}

/** A number without an exponent where it can do without one. */
export function plain(value: number): string {
  return String(Number(value.toPrecision(10)));
}

/** How many rows a query finds, as a query. */
export function countQuery(query: IFormQuery | string): string {
  if (typeof query === 'string') {
    return `SELECT COUNT(*) AS total FROM (\n${query}\n) AS rows_found`;
  }
  return `SELECT COUNT(*) AS total FROM ivoa.obscore${query.where.length > 0 ? ` WHERE ${query.where.join(' AND ')}` : ''}`;
}

/** More runs than this are not named one by one in a query. */
const NAMED = 10_000;

/** The same runs; throws where they are too many to be named. */
export function named(dids: readonly string[]): readonly string[] {
  if (dids.length > NAMED) {
    throw new Error(`selection: ${dids.length} runs are too many to be named, up to ${NAMED} are allowed; select all, or fewer`);
  }
  return dids;
}

/** The chosen runs with all their columns. Throws where they are too many to be named. */
export function selectionQuery(dids: readonly string[]): string {
  return `SELECT *\nFROM ivoa.obscore\nWHERE obs_publisher_did IN (\n  ${named(dids).map(quoted).join(',\n  ')}\n)\nORDER BY t_min`;
}

/** Rows that services send where no number is asked for; ours, and most others at least so many. */
const UNASKED = 100_000;

/** What is done with the rows in Python: shown, fetched as a DataStore of gammapy, or sent to other programs by SAMP. */
export type Then = 'rows' | 'store' | 'samp';
const THEN: Readonly<Record<Then, readonly string[]>> = {
  rows: ['rows'],
  store: ['store = archive.data_store(rows, "runs")  # their files, in the folder runs', 'store.obs_table'],
  samp: ['', 'from jupyter_uws.client import send_samp', '', 'send_samp(rows)']
};

/**
 * Python that finds the `rows` of a query, and of these the chosen ones; `url` is another TAP service's. Throws where
 * these are too many to be named.
 */
export function pythonOf(adql: string, dids: readonly string[], url = '', rows = 0, then: Then = 'rows'): string {
  const asked = pythonText(adql) + (rows > UNASKED ? `, maxrec=${rows}` : '');
  const lines =
    url === ''
      ? ['from jupyter_uws import Archive', '', 'archive = Archive()', `rows = archive.adql(${asked})`]
      : ['import pyvo', '', `service = pyvo.dal.TAPService(${JSON.stringify(url)})`, `rows = service.run_sync(${asked}).to_table()`];
  if (dids.length > 0) {
    const runs = named(dids).map(did => `    ${JSON.stringify(did)},`).join('\n');
    lines.push(`selected = {\n${runs}\n}`, 'rows = rows[[did in selected for did in rows["obs_publisher_did"]]]');
  }
  return [...lines, ...THEN[then]].join('\n');
}

function pythonText(text: string): string {
  return /"""|\\|"$/.test(text) ? JSON.stringify(text) : `"""${text}"""`;
}
