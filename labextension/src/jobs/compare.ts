/**
 * The parameters of jobs side by side.
 */
import { IJobDocument } from './job';

/** A line of the comparison: what each job has, and whether that is the same. */
export interface ILine {
  readonly name: string;
  readonly values: readonly string[];
  readonly differs: boolean;
}

export function compare(jobs: readonly IJobDocument[]): ILine[] {
  const names = [...new Set(jobs.flatMap(job => Object.keys(job.parameters)))];
  return names.map(name => {
    const values = jobs.map(job => (job.parameters[name] ?? []).join(' '));
    return { name, values, differs: new Set(values).size > 1 };
  });
}
