/**
 * A job type as the service describes it, with what its jobs may ask for of the cluster.
 */

export interface IParameter {
  readonly name: string;
  readonly type: 'boolean' | 'integer' | 'number' | 'string' | 'file';
  readonly title: string;
  readonly description: string;
  readonly unit: string | null;
  readonly ucd: string | null;
  readonly default: unknown;
  readonly required: boolean;
  readonly multiple: boolean;
  readonly minimum: number | null;
  readonly maximum: number | null;
  readonly choices: readonly (string | number)[] | null;
  readonly pattern: string | null;
  readonly min_items: number | null;
  readonly max_items: number | null;
  readonly content_types: readonly string[];
  /** Bytes of a file; null for the service's own limit. */
  readonly max_size: number | null;
}

/** Of a size `default` and `maximum` (null: not known), of a name `default` and `choices`. */
export interface IResource {
  readonly default: number | string;
  readonly maximum?: number | null;
  readonly choices?: readonly string[];
}

export interface IJobType {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly version: string;
  readonly parameters: readonly IParameter[];
  /** Seconds of wall time: the default, and the longest that may be asked for. */
  readonly execution_duration: number;
  readonly execution_duration_max: number;
  readonly resources: Readonly<Record<string, IResource>>;
}

/** How a value is written in a form: the service's own way. */
export function textOf(value: unknown): string {
  if (Array.isArray(value)) {
    return value.map(textOf).join(' ');
  }
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** The text of a parameter's default; empty where it has none. */
export function defaultOf(parameter: IParameter): string {
  return textOf(parameter.default);
}

/** Whether the values of a job are the default of their parameter. */
export function isDefault(parameter: IParameter, values: readonly string[]): boolean {
  const standard = parameter.default;
  const expected = Array.isArray(standard) ? standard.map(String) : standard === null ? [] : [textOf(standard)];
  return expected.length === values.length && expected.every((each, at) => same(each, values[at] ?? ''));
}

function same(one: string, other: string): boolean {
  return one === other || (one !== '' && Number(one) === Number(other));
}
