/**
 * Where jobs run: what `R/cluster` says.
 */

export interface IAllocation {
  readonly worker: string;
  readonly busy?: boolean;
  readonly helps?: string | null;
  readonly job_id?: string;
  readonly name?: string;
  readonly state?: string;
  readonly reason?: string;
  readonly shape?: string;
}

export interface ICluster {
  readonly backend: string;
  readonly started: boolean;
  readonly workers: number;
  readonly workers_max: number;
  readonly running: number;
  readonly waiting: number;
  readonly allocations: readonly IAllocation[];
  readonly failures: readonly (readonly [string, string])[];
  /** Whether the caller may see Dask's dashboard now. */
  readonly dashboard: boolean;
}

/** One line: what there is. */
export function summary(cluster: ICluster): string {
  if (!cluster.started) {
    return `${cluster.backend}: not started, no job has come`;
  }
  return `${cluster.backend}: ${cluster.workers} of at most ${cluster.workers_max} workers`;
}

/** What an allocation does. */
export function stateOf(each: IAllocation): string {
  const state = each.state ?? 'up';
  return state === 'up' ? (each.helps ? 'helps' : each.busy ? 'busy' : 'idle') : state;
}
