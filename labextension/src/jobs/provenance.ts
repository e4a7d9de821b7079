/**
 * What a job was made from and what was made of it: PROV-JSON (W3C member submission 2013) as a graph in columns.
 * No user interface and no HTTP in here.
 */
import { IJobRef } from './job';

export interface IProvNode {
  readonly key: string;
  /** A job, runs that it took, or a file that no job is known to have made. */
  readonly kind: 'job' | 'runs' | 'file';
  /** Of a job that can be opened; absent for the one in the middle. */
  readonly ref?: IJobRef;
  readonly title: string;
  readonly phase: string;
  /** Names of runs, or what is known of a file. */
  readonly items: readonly string[];
  /** Steps from the job in the middle: below 0 for what it came from. */
  readonly level: number;
}

/** `source` went into `target`: as the `result` given for a `parameter`; without these it ran before it. */
export interface IProvEdge {
  readonly source: string;
  readonly target: string;
  readonly result: string;
  readonly parameter: string;
}

export interface IProvenance {
  readonly nodes: readonly IProvNode[];
  readonly edges: readonly IProvEdge[];
  /** Whether there is more than is told. */
  readonly isCut: boolean;
}

type Members = Readonly<Record<string, unknown>>;
type Part = Readonly<Record<string, Members>>;

/** The graph of a document around a job. */
export function readProvenance(json: Readonly<Record<string, unknown>>, middle: IJobRef): IProvenance {
  const part = (name: string): Part => (json[name] ?? {}) as Part;
  const text = (members: Members | undefined, name: string): string => {
    const value = members?.[name];
    return typeof value === 'string' ? value : '';
  };
  const activities = part('activity');
  const made = new Map(
    Object.values(part('wasGeneratedBy')).map(each => [text(each, 'prov:entity'), text(each, 'prov:activity')])
  );
  const nodes = new Map<string, Omit<IProvNode, 'level'>>();
  for (const [key, activity] of Object.entries(activities)) {
    const ref = { id: text(activity, 'uws:job_id'), type: text(activity, 'uws:job_type') };
    const isMiddle = ref.id === middle.id;
    const name = text(activity, 'uws:run_id') || ref.id;
    nodes.set(key, {
      key,
      kind: 'job',
      ...(isMiddle ? {} : { ref }),
      title: `${ref.type} ${name}`,
      phase: text(activity, 'uws:phase'),
      items: []
    });
  }
  const edges = new Map<string, IProvEdge>();
  const link = (source: string, target: string, result = '', parameter = ''): void => {
    edges.set(JSON.stringify([source, target, result, parameter]), { source, target, result, parameter });
  };
  for (const use of Object.values(part('used'))) {
    const [job, entity, role] = [text(use, 'prov:activity'), text(use, 'prov:entity'), text(use, 'prov:role')];
    const described = part('entity')[entity];
    const label = text(described, 'prov:label') || entity;
    const maker = made.get(entity);
    if (maker !== undefined) {
      link(maker, job, label, role);
    } else if (described?.['uws:sha256'] !== undefined) {
      nodes.set(entity, { key: entity, kind: 'file', title: label, phase: '', items: [text(described, 'prov:location')].filter(Boolean) });
      link(entity, job, '', role);
    } else {
      // runs may be thousands: they are one node
      const key = `runs ${job} ${role}`;
      const items = [...(nodes.get(key)?.items ?? []), label];
      nodes.set(key, { key, kind: 'runs', title: '', phase: '', items });
      link(key, job, '', role);
    }
  }
  for (const each of Object.values(part('wasInformedBy'))) {
    const [earlier, later] = [text(each, 'prov:informant'), text(each, 'prov:informed')];
    // that a job ran before goes without saying where its result was used
    if (![...edges.values()].some(edge => edge.source === earlier && edge.target === later)) {
      link(earlier, later);
    }
  }
  const all = [...edges.values()];
  const start = [...nodes.values()].find(node => node.kind === 'job' && node.ref === undefined)?.key ?? '';
  const levels = levelsOf(start, all);
  return {
    nodes: [...nodes.values()].flatMap(node => {
      const level = levels.get(node.key);
      return level === undefined ? [] : [{ ...node, level }];
    }),
    // what else went into the jobs that used the results is their own affair
    edges: all.filter(edge => levels.has(edge.source) && levels.has(edge.target)),
    isCut: activities[start]?.['uws:is_cut'] === true
  };
}

/** How far each node is from the one in the middle, by the longest way there is. */
function levelsOf(start: string, edges: readonly IProvEdge[]): Map<string, number> {
  const levels = new Map([[start, 0]]);
  for (const step of [-1, 1] as const) {
    let reached = new Set([start]);
    for (let level = 1; reached.size > 0 && level <= edges.length; level++) {
      const next = edges
        .filter(edge => reached.has(step < 0 ? edge.target : edge.source))
        .map(edge => (step < 0 ? edge.source : edge.target))
        .filter(key => key !== start);
      reached = new Set(next);
      reached.forEach(key => levels.set(key, step * level));
    }
  }
  return levels;
}

/** Where a node is drawn; x, y and sizes in pixels. */
export interface IPlace {
  readonly x: number;
  readonly y: number;
}

export const NODE = { width: 200, height: 58 };
const GAP = { x: 40, y: 10 };

export interface ILayout {
  readonly places: ReadonlyMap<string, IPlace>;
  readonly width: number;
  readonly height: number;
}

/** The nodes level by level. */
export function columnsOf({ nodes }: IProvenance): IProvNode[][] {
  const levels = [...new Set(nodes.map(node => node.level))].sort((one, other) => one - other);
  return levels.map(level => nodes.filter(node => node.level === level));
}

/** Columns by level, each in the middle of the height. */
export function layoutOf(found: IProvenance): ILayout {
  const columns = columnsOf(found);
  const size = (count: number, side: number, gap: number): number => Math.max(0, count * (side + gap) - gap);
  const height = size(Math.max(0, ...columns.map(column => column.length)), NODE.height, GAP.y);
  const places = new Map<string, IPlace>();
  columns.forEach((column, at) => {
    const top = (height - size(column.length, NODE.height, GAP.y)) / 2;
    column.forEach((node, row) => {
      places.set(node.key, { x: at * (NODE.width + GAP.x), y: top + row * (NODE.height + GAP.y) });
    });
  });
  return { places, width: size(columns.length, NODE.width, GAP.x), height };
}
