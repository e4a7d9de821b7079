/**
 * The side panel "Jobs": a live list of the user's UWS jobs.
 */
import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import {
  deleteIcon,
  LabIcon,
  ReactWidget,
  refreshIcon,
  stopIcon,
  ToolbarButtonComponent,
  UseSignal
} from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Poll } from '@lumino/polling';
import type { JSX } from 'react';

import { jobsIcon } from '../icons';
import { formatCreated, hasEnded, Job, JobsModel } from './model';

/** Milliseconds between two looks at the list, and after failures, growing up to the second. */
const INTERVAL = 2000;
const INTERVAL_MAX = 30000;

export class JobsPanel extends ReactWidget {
  constructor(private readonly _model: JobsModel) {
    super();
    this.id = 'jupyter-uws-jobs';
    this.title.icon = jobsIcon;
    this.title.caption = 'Jobs';
    this.addClass('jp-UWSJobs');
    this._poll = new Poll({
      name: 'jupyter-uws:jobs',
      auto: false,
      factory: () => this._model.refresh(),
      frequency: { interval: INTERVAL, backoff: true, max: INTERVAL_MAX },
      standby: () => (this.isVisible ? 'when-hidden' : true)
    });
  }

  dispose(): void {
    this._poll.dispose();
    super.dispose();
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    void this._poll.start();
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    void this._poll.stop();
  }

  protected render(): JSX.Element {
    return (
      <UseSignal signal={this._model.changed}>
        {() => <JobsView model={this._model} refresh={() => void this._poll.refresh()} />}
      </UseSignal>
    );
  }

  private readonly _poll: Poll;
}

function JobsView({ model, refresh }: { model: JobsModel; refresh: () => void }): JSX.Element {
  const { jobs, error } = model;
  return (
    <>
      <div className="jp-UWSJobs-head">
        <h2>Jobs</h2>
        <ToolbarButtonComponent icon={refreshIcon} tooltip="Refresh the list" onClick={refresh} />
      </div>
      {error !== null && (
        <div className="jp-UWSJobs-error" role="alert">
          <strong>{jobs ? 'The service does not answer; the list is old.' : 'The service does not answer.'}</strong>
          <p>{error}</p>
          <button className="jp-mod-styled jp-mod-accept" onClick={refresh}>
            Retry
          </button>
        </div>
      )}
      {jobs === null && error === null && <p className="jp-UWSJobs-note">Asking the service …</p>}
      {jobs?.length === 0 && (
        <p className="jp-UWSJobs-note">
          No jobs yet: start one in a notebook, for example <code>JobService().submit(&quot;sleeper&quot;)</code>, or
          open the <em>Observatory quickstart</em> from the launcher.
        </p>
      )}
      {jobs !== null && jobs.length > 0 && <JobsTable model={model} jobs={jobs} />}
    </>
  );
}

function JobsTable({ model, jobs }: { model: JobsModel; jobs: readonly Job[] }): JSX.Element {
  return (
    <div className="jp-UWSJobs-scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Job</th>
            <th scope="col">Phase</th>
            <th scope="col" aria-label="Action" />
          </tr>
        </thead>
        {jobs.map(job => (
          <JobRow key={`${job.type}/${job.id}`} model={model} job={job} />
        ))}
      </table>
    </div>
  );
}

/** A third row where there is something to tell of a job: its progress, or why it failed. */
function JobRow({ model, job }: { model: JobsModel; job: Job }): JSX.Element {
  const name = `${job.type} ${job.runId ?? job.id}`;
  return (
    <tbody className="jp-UWSJobs-job" data-phase={job.phase} data-job-id={job.id}>
      <tr>
        <td title={`${name}, ${job.created?.toLocaleString() ?? ''}`}>{job.type}</td>
        <td>
          <span className="jp-UWSJobs-phase">{job.phase}</span>
        </td>
        <td>
          {hasEnded(job.phase) ? (
            <Action icon={deleteIcon} label={`Delete ${name}`} act={() => confirmDelete(model, job, name)} />
          ) : (
            <Action icon={stopIcon} label={`Abort ${name}`} act={() => model.abort(job)} />
          )}
        </td>
      </tr>
      <tr>
        <td colSpan={3} className="jp-UWSJobs-small" title={job.runId ?? ''}>
          {[formatCreated(job.created), job.runId].filter(Boolean).join(' · ')}
        </td>
      </tr>
      {(job.progress !== null || job.message) && (
        <tr>
          <td colSpan={3}>
            {job.progress !== null && <Progress value={job.progress} label={`Progress of ${name}`} />}
            <div className="jp-UWSJobs-small jp-UWSJobs-message" title={job.message}>
              {job.message}
            </div>
          </td>
        </tr>
      )}
    </tbody>
  );
}

function Progress({ value, label }: { value: number; label: string }): JSX.Element {
  const percent = Math.round(100 * value);
  return (
    <div
      className="jp-UWSJobs-progress"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <div style={{ width: `${percent}%` }} />
    </div>
  );
}

function Action(props: { icon: LabIcon; label: string; act: () => Promise<void> }): JSX.Element {
  const onClick = (): void => {
    props.act().catch((error: unknown) => {
      Notification.error(`${props.label}: ${error instanceof Error ? error.message : String(error)}`);
    });
  };
  return (
    <button className="jp-UWSJobs-action" title={props.label} aria-label={props.label} onClick={onClick}>
      <props.icon.react tag="span" />
    </button>
  );
}

async function confirmDelete(model: JobsModel, job: Job, name: string): Promise<void> {
  const answer = await showDialog({
    title: 'Delete this job?',
    body: `${name} and all its results will be deleted. This cannot be undone.`,
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: 'Delete' })]
  });
  if (answer.button.accept) {
    await model.delete(job);
  }
}
