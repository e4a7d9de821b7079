/**
 * The list of the user's jobs: filters, rows as they scroll into sight, and actions on several at once.
 */
import { addIcon, filterListIcon, kernelIcon, listIcon, UseSignal } from '@jupyterlab/ui-components';
import { useEffect, useState } from 'react';
import type { JSX } from 'react';

import { headline } from '../http';
import { IQuery } from './api';
import { attempt, confirmed, IHost } from './host';
import { Action, actions, IJob, PHASES } from './job';
import { EVERYTHING, JobList, SELECTED } from './list';
import { Button, IconButton, Refresh, Trouble } from './parts';
import { Rows } from './rows';

/** Milliseconds without a key until a text is looked for. */
const TYPING = 250;

interface IProps {
  readonly list: JobList;
  readonly host: IHost;
  /** Ask anew, after the service did not answer. */
  readonly retry: () => void;
  /** The filters that this list begins with, and goes back to; all jobs where there are none. */
  readonly home?: IQuery;
}

export function JobsView(props: IProps): JSX.Element {
  return <UseSignal signal={props.list.changed}>{() => <View {...props} />}</UseSignal>;
}

function View({ list, host, retry, home = EVERYTHING }: IProps): JSX.Element {
  const { jobs, error, query } = list;
  const { trans } = host;
  const [filtering, setFiltering] = useState(false);
  const [resets, setResets] = useState(0);
  const filtered = JSON.stringify(query) !== JSON.stringify(home);
  const total = Object.entries(list.counts)
    .filter(([phase]) => (query.phases.length ? query.phases.includes(phase) : phase !== 'ARCHIVED'))
    .reduce((sum, [, count]) => sum + count, 0);
  const reset = (): void => {
    list.setQuery(home);
    setResets(resets + 1);
  };
  return (
    <>
      <div className="jp-UWSJobs-head">
        <h2>{trans.__('Jobs')}</h2>
        <span className="jp-UWSJobs-total" aria-live="polite">
          {jobs !== null && total.toLocaleString()}
        </span>
        <IconButton icon={addIcon} label={trans.__('New job')} act={() => { host.openNewJob({}); }} />
        <IconButton
          icon={filterListIcon}
          label={trans.__('Filter the list')}
          pressed={filtering || filtered}
          act={() => { setFiltering(!filtering); }}
        />
        <IconButton
          icon={listIcon}
          label={trans.__('Group by run id')}
          pressed={list.grouped}
          act={() => { list.setGrouped(!list.grouped); }}
        />
        <IconButton icon={kernelIcon} label={trans.__('Cluster')} act={() => { host.openCluster(); }} />
        <Refresh label={trans.__('Refresh the list')} act={retry} />
      </div>
      {(filtering || filtered) && <Filters key={resets} list={list} host={host} />}
      <Selection list={list} host={host} total={total} />
      {error !== null && (
        <Trouble
          title={jobs ? trans.__('%1 The list is old.', headline(error, trans)) : headline(error, trans)}
          words={error}
          trans={trans}
          retry={retry}
        />
      )}
      {error === null &&
        [...list.failures].map(([title, words]) => (
          <p key={title} className="jp-UWSJobs-note" role="status">
            {trans.__('%1: %2', title, words)}
          </p>
        ))}
      {jobs === null && error === null && <p className="jp-UWSJobs-note">{trans.__('Asking the service …')}</p>}
      {jobs?.length === 0 && !list.loading && <Empty filtered={filtered} host={host} reset={reset} />}
      {jobs !== null && jobs.length > 0 && <Rows key={JSON.stringify(query)} list={list} host={host} />}
    </>
  );
}

function Empty({ filtered, host, reset }: { filtered: boolean; host: IHost; reset: () => void }): JSX.Element {
  const { trans } = host;
  return filtered ? (
    <div className="jp-UWSJobs-note">
      <p>{trans.__('No job matches these filters.')}</p>
      <Button act={reset}>{trans.__('Show all jobs')}</Button>
    </div>
  ) : (
    <div className="jp-UWSJobs-note">
      <p>{trans.__('No jobs yet. A job looks at observations on the cluster, and goes on when you close this page.')}</p>
      <Button kind="accept" act={() => { host.openNewJob({}); }}>
        {trans.__('New job')}
      </Button>
    </div>
  );
}

/** The midnight in local time that begins a day of a date field. */
function midnight(day: string, more = 0): string {
  const [year, month, date] = day.split('-').map(Number);
  return day ? new Date(year ?? 0, (month ?? 1) - 1, (date ?? 1) + more).toISOString() : '';
}

function Filters({ list, host }: { list: JobList; host: IHost }): JSX.Element {
  const { trans } = host;
  const { query } = list;
  const types = [...new Set([...Object.keys(list.types), query.type])].filter(Boolean).sort();
  const set = (change: Partial<IQuery>): void => {
    list.setQuery(change);
  };
  const [text, setText] = useState(query.text);
  useEffect(() => {
    const timer = setTimeout(() => {
      if (text.trim() !== list.query.text) {
        list.setQuery({ text: text.trim() });
      }
    }, TYPING);
    return () => {
      clearTimeout(timer);
    };
  }, [text, list]);
  return (
    <div className="jp-UWSJobs-filters" role="search" aria-label={trans.__('Filter the list')}>
      <input
        type="search"
        className="jp-mod-styled jp-UWSJobs-wide"
        placeholder={trans.__('Run id or job id')}
        aria-label={trans.__('Run id or job id')}
        value={text}
        maxLength={200}
        onChange={event => { setText(event.target.value); }}
      />
      <select
        className="jp-mod-styled"
        aria-label={trans.__('Phase')}
        value={query.phases[0] ?? ''}
        onChange={event => { set({ phases: event.target.value ? [event.target.value] : [] }); }}
      >
        <option value="">{trans.__('Any phase')}</option>
        {PHASES.map(phase => (
          <option key={phase} value={phase}>
            {phase} {list.counts[phase] ? `(${list.counts[phase]})` : ''}
          </option>
        ))}
      </select>
      <select
        className="jp-mod-styled"
        aria-label={trans.__('Type')}
        value={query.type}
        onChange={event => { set({ type: event.target.value }); }}
      >
        <option value="">{trans.__('Any type')}</option>
        {types.map(type => (
          <option key={type} value={type}>
            {type} {list.types[type] ? `(${list.types[type]})` : ''}
          </option>
        ))}
      </select>
      <label>
        {trans.__('From')}
        <input type="date" className="jp-mod-styled" onChange={event => { set({ after: midnight(event.target.value) }); }} />
      </label>
      <label>
        {trans.__('To')}
        <input
          type="date"
          className="jp-mod-styled"
          onChange={event => { set({ before: midnight(event.target.value, 1) }); }}
        />
      </label>
      <select
        className="jp-mod-styled jp-UWSJobs-wide"
        aria-label={trans.__('Order')}
        value={query.oldestFirst ? 'oldest' : 'newest'}
        onChange={event => { set({ oldestFirst: event.target.value === 'oldest' }); }}
      >
        <option value="newest">{trans.__('Newest first')}</option>
        <option value="oldest">{trans.__('Oldest first')}</option>
      </select>
    </div>
  );
}

/** Of the selected jobs: how many there are, and what can be done with all of them. */
function Selection({ list, host, total }: { list: JobList; host: IHost; total: number }): JSX.Element | null {
  const { selected } = list;
  const { trans } = host;
  if (selected.length === 0) {
    return null;
  }
  const able = (action: Action): IJob[] => selected.filter(job => actions(job.phase, job.service).includes(action));
  const button = (action: Action, label: string): JSX.Element | null => {
    const jobs = able(action);
    return jobs.length === 0 ? null : (
      <Button act={() => { attempt(host, () => confirmed(host, action, jobs, () => list.act(action, jobs))); }}>
        {label} {jobs.length < selected.length && jobs.length}
      </Button>
    );
  };
  return (
    <div className="jp-UWSJobs-selection" role="toolbar" aria-label={trans.__('Selected jobs')}>
      <span>{trans._n('%1 job', '%1 jobs', selected.length)}</span>
      {selected.length < total && selected.length < SELECTED && (
        <Button act={() => { attempt(host, () => list.selectAll()); }}>
          {total > SELECTED
            ? trans.__('Select the first %1', SELECTED.toLocaleString())
            : trans.__('Select all %1', total.toLocaleString())}
        </Button>
      )}
      {button('abort', trans.__('Abort'))}
      {button('archive', trans.__('Archive'))}
      {button('delete', trans.__('Delete'))}
      {selected.length === 2 && <Button act={() => { host.compare(selected); }}>{trans.__('Compare')}</Button>}
      <Button act={() => { list.select(selected, false); }}>{trans.__('Clear')}</Button>
    </div>
  );
}
