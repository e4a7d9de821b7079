/**
 * What was clicked, as Python for a notebook: the client of `jupyter_uws`.
 */
import { IJobType } from './description';
import { IJobDocument, IJobRef, IResult } from './job';

const HEAD = 'from jupyter_uws.client import JobService\n\nuws = JobService()\n';

/** A literal: text, number or list of Python. */
export function literal(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(literal).join(', ')}]`;
  }
  if (typeof value === 'boolean') {
    return value ? 'True' : 'False';
  }
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}

/** A parameter's texts as the value of its type. */
function typed(type: IJobType, name: string, text: string): unknown {
  const parameter = type.parameters.find(each => each.name === name);
  const one = (item: string): unknown =>
    parameter?.type === 'number' || parameter?.type === 'integer'
      ? Number(item)
      : parameter?.type === 'boolean'
        ? ['true', 'yes', 'on', '1'].includes(item.toLowerCase())
        : item;
  return parameter?.multiple ? text.split(/[\s,]+/).filter(Boolean).map(one) : one(text);
}

/** Starts a job with these values. */
export function submission(type: IJobType, values: ReadonlyMap<string, string>, runId: string): string {
  const named = [...values].map(([name, text]) => [name, literal(typed(type, name, text))] as const);
  const plain = named.filter(([name]) => /^[A-Za-z_]\w*$/.test(name));
  const lines = [literal(type.name), ...plain.map(([name, text]) => `${name}=${text}`)];
  if (runId) {
    lines.push(`run_id=${literal(runId)}`);
  }
  const others = named.filter(([name]) => !plain.some(([known]) => known === name));
  if (others.length) {
    lines.push(`**{${others.map(([name, text]) => `${literal(name)}: ${text}`).join(', ')}}`);
  }
  return `${HEAD}job = uws.submit(\n    ${lines.join(',\n    ')},\n)\njob.wait()\n`;
}

/** Finds a job again. */
export function retrieval(job: IJobRef): string {
  return `${HEAD}job = uws.job(${literal(job.id)})\njob\n`;
}

/** Starts a job like this one. */
export function repetition(type: IJobType, job: IJobDocument): string {
  const values = Object.entries(job.parameters).map(([name, items]): [string, string] => [name, items.join(' ')]);
  return submission(type, new Map(values), job.runId);
}

/** Reads a result. */
export function reading(job: IJobRef, result: IResult): string {
  return `${HEAD}result = uws.job(${literal(job.id)}).results[${literal(result.name)}]\nresult\n`;
}
