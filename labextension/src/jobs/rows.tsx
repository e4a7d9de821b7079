/**
 * The rows of the job list, of which only those in sight are in the page.
 */
import { caretDownIcon, caretRightIcon, deleteIcon, runIcon, stopIcon } from '@jupyterlab/ui-components';
import { KeyboardEvent, useEffect, useRef, useState } from 'react';
import type { JSX } from 'react';

import { attempt, confirmed, IHost } from './host';
import { Action, actions, elapsed, formatCreated, hasEnded, IJob, keyOf, nameOf, typeOf } from './job';
import { JobList, Row } from './list';
import { IconButton, Phase, Progress, useNow } from './parts';

/** Pixels; the style sheet has the same. */
const ROW = 54;
const GROUP = 28;
/** Rows beyond the edges that are drawn, and from which on the next page is read. */
const BEYOND = 8;

const ICONS = { run: runIcon, abort: stopIcon, delete: deleteIcon };

export function Rows({ list, host }: { list: JobList; host: IHost }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 800 });
  useEffect(() => {
    const element = box.current;
    if (!element) {
      return undefined;
    }
    const look = (): void => {
      setView({ top: element.scrollTop, height: element.clientHeight });
    };
    const observer = new ResizeObserver(look);
    observer.observe(element);
    element.addEventListener('scroll', look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', look);
    };
  }, []);
  const rows = list.rows();
  const tops = offsets(rows);
  const total = tops[rows.length] ?? 0;
  const first = Math.max(0, rowAt(tops, view.top) - BEYOND);
  const last = Math.min(rows.length, rowAt(tops, view.top + view.height) + BEYOND + 1);
  const atEnd = last >= rows.length && list.hasMore && !list.loading && list.error === null;
  useEffect(() => {
    if (atEnd) {
      void list.more();
    }
  }, [atEnd, list]);
  const now = useNow(list.visible && (list.jobs ?? []).slice(0, 500).some(job => job.phase === 'EXECUTING'));
  return (
    <div className="jp-UWSJobs-scroll" ref={box} onKeyDown={moveFocus}>
      <ul className="jp-UWSJobs-rows" style={{ height: total }} aria-label={host.trans.__('Jobs')}>
        {rows.slice(first, last).map((row, at) => {
          const place = { top: tops[first + at] ?? 0 };
          const position = { 'aria-posinset': first + at + 1, 'aria-setsize': list.hasMore ? -1 : rows.length };
          return 'group' in row ? (
            <li key={`group ${row.group}`} className="jp-UWSJobs-group" style={place} {...position}>
              <GroupHead row={row} list={list} host={host} />
            </li>
          ) : (
            <li
              key={keyOf(row.job)}
              className="jp-UWSJobs-job"
              style={place}
              data-phase={row.job.phase}
              data-job-id={row.job.id}
              {...position}
            >
              <JobRow job={row.job} list={list} host={host} now={now} />
            </li>
          );
        })}
      </ul>
      {list.hasMore && <p className="jp-UWSJobs-note">{host.trans.__('Reading more …')}</p>}
    </div>
  );
}

function offsets(rows: readonly Row[]): number[] {
  const tops = [0];
  for (const row of rows) {
    tops.push((tops.at(-1) ?? 0) + ('group' in row ? GROUP : ROW));
  }
  return tops;
}

/** The last row that begins at or above `y`. */
function rowAt(tops: readonly number[], y: number): number {
  let low = 0;
  let high = tops.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((tops[middle] ?? 0) <= y) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

/** Up and Down go from job to job. */
function moveFocus(event: KeyboardEvent): void {
  const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
  const here = (event.target as HTMLElement).closest('li');
  if (step && here) {
    const other = step > 0 ? here.nextElementSibling : here.previousElementSibling;
    other?.querySelector<HTMLElement>('.jp-UWSJobs-open, .jp-UWSJobs-fold')?.focus();
    event.preventDefault();
  }
}

type Group = Extract<Row, { group: string }>;

function GroupHead({ row, list, host }: { row: Group; list: JobList; host: IHost }): JSX.Element {
  const folded = list.isFolded(row.group);
  const Caret = folded ? caretRightIcon : caretDownIcon;
  const name = row.group || host.trans.__('without a run id');
  const running = row.jobs.filter(job => !hasEnded(job.phase)).length;
  const size = list.sizeOf(row.group, row.jobs);
  const all = row.jobs.every(job => list.isSelected(job));
  return (
    <>
      <input
        type="checkbox"
        aria-label={host.trans.__('Select all of %1', name)}
        checked={all}
        onChange={() => { list.select(row.jobs, !all); }}
      />
      <button
        type="button"
        className="jp-UWSJobs-fold"
        aria-expanded={!folded}
        title={name}
        onClick={() => { list.toggleGroup(row.group); }}
      >
        <Caret.react tag="span" />
        <span className="jp-UWSJobs-name">{name}</span>
        <span>{running ? `${running} / ${size}` : size}</span>
      </button>
    </>
  );
}

function JobRow(props: { job: IJob; list: JobList; host: IHost; now: Date }): JSX.Element {
  const { job, list, host, now } = props;
  const name = nameOf(job);
  const labels: Record<Exclude<Action, 'archive'>, string> = {
    run: host.trans.__('Run %1', name),
    abort: host.trans.__('Abort %1', name),
    delete: host.trans.__('Delete %1', name)
  };
  const times = [formatCreated(job.created, now), elapsed(job, now)];
  // why it failed is what one looks for
  const facts = (job.phase === 'ERROR' ? [job.message, ...times] : [...times, job.message]).filter(Boolean).join(' · ');
  return (
    <>
      <input
        type="checkbox"
        aria-label={host.trans.__('Select %1', name)}
        checked={list.isSelected(job)}
        onChange={event => { list.select([job], event.target.checked); }}
      />
      <button
        type="button"
        className="jp-UWSJobs-open"
        title={`${name}\n${job.created?.toLocaleString() ?? ''}\n${job.message}`}
        onClick={() => { host.openJob(job); }}
      >
        <span className="jp-UWSJobs-line">
          <span className="jp-UWSJobs-type">{typeOf(job)}</span>
          <span className="jp-UWSJobs-name">{job.runId}</span>
        </span>
        <span className="jp-UWSJobs-line">
          <Phase phase={job.phase} />
          <span className="jp-UWSJobs-name jp-UWSJobs-small">{facts}</span>
        </span>
      </button>
      {actions(job.phase, job.service)
        .filter(action => action !== 'archive')
        .map(action => (
          <IconButton
            key={action}
            icon={ICONS[action]}
            label={labels[action]}
            act={() => {
              attempt(host, () => confirmed(host, action, [job], () => list.act(action, [job])));
            }}
          />
        ))}
      {job.progress !== null && <Progress value={job.progress} label={host.trans.__('Progress of %1', name)} />}
    </>
  );
}
