/**
 * Where jobs run: what `R/cluster` says.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

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
export function summary({ backend, started, workers, workers_max: most }: ICluster, trans: TranslationBundle): string {
  return started
    ? trans.__('%1: %2 of at most %3 workers', backend, workers, most)
    : trans.__('%1: not started, no job has come', backend);
}

/** What an allocation does. */
export function stateOf(each: IAllocation, trans: TranslationBundle): string {
  const state = each.state ?? 'up';
  if (state !== 'up') {
    return state; // the batch system's word
  }
  return each.helps ? trans.__('helps') : each.busy ? trans.__('busy') : trans.__('idle');
}
