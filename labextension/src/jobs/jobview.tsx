/**
 * The page of one job: what it does, what it was given, what it has written.
 */
import { UseSignal } from '@jupyterlab/ui-components';
import { useState } from 'react';
import type { JSX } from 'react';

import { headline } from '../http';
import { JobService, jobPath } from './api';
import { defaultOf, isDefault, textOf } from './description';
import { attempt, confirmed, IHost } from './host';
import { actions, elapsed, formatDuration, formatSize, IJobDocument, IResult, nameOf, refOnly, typeOf } from './job';
import { Logs } from './logview';
import { JobPage } from './page';
import { Button, Phase, Progress, Trouble, useNow } from './parts';
import { ProvenanceView } from './provenanceview';
import { reading, repetition, retrieval } from './python';
import { fileName, isNotebook, isShownAtOnce, viewerFor } from './viewers';

interface IProps {
  readonly page: JobPage;
  readonly service: JobService;
  readonly host: IHost;
}

export function JobView(props: IProps): JSX.Element {
  return <UseSignal signal={props.page.changed}>{() => <View {...props} />}</UseSignal>;
}

function View({ page, service, host }: IProps): JSX.Element {
  const { job, error, deleted } = page;
  const { trans } = host;
  return (
    <div className="jp-UWSPage" data-phase={job?.phase}>
      {deleted ? (
        <Trouble
          title={trans.__('This job was deleted.')}
          words={job && trans.__('What is below was true before; its files are gone.')}
          trans={trans}
        />
      ) : (
        error !== null && (
          <Trouble
            title={headline(error, trans)}
            words={error}
            trans={trans}
            retry={() => void page.load()}
          />
        )
      )}
      {job === null && error === null && <p className="jp-UWSJobs-note">{trans.__('Asking the service …')}</p>}
      {job && (
        <>
          <Head page={page} job={job} service={service} host={host} />
          <Timeline page={page} job={job} host={host} />
          {job.phase === 'ERROR' && <Failure page={page} job={job} host={host} />}
          {!deleted && <Results job={job} service={service} host={host} />}
          <Parameters page={page} job={job} host={host} />
          {!deleted && job.started && (
            <Logs logs={page.logs} url={stream => service.url([...jobPath(job), stream])} host={host} />
          )}
          {!deleted && job.service === undefined && (
            <ProvenanceView key={job.id} job={job} read={() => service.provenance(job)} host={host} />
          )}
          <Limits page={page} job={job} host={host} />
        </>
      )}
    </div>
  );
}

interface IPart {
  readonly page: JobPage;
  readonly job: IJobDocument;
  readonly host: IHost;
}

function Head({ page, job, service, host }: IPart & { service: JobService }): JSX.Element {
  const { trans } = host;
  const { type } = page;
  const again = (): void => {
    const files = Object.keys(job.uploads);
    const given = Object.entries(job.parameters).filter(([name]) => !files.includes(name));
    const kept = files.length ? { again: refOnly(job) } : {};
    host.openNewJob({ type: job.type, run_id: job.runId, parameters: Object.fromEntries(given), ...kept });
  };
  const repeat = async (): Promise<void> => {
    host.openJob(await service.repeat(job));
  };
  const labels = { run: trans.__('Run'), abort: trans.__('Abort'), archive: trans.__('Archive'), delete: trans.__('Delete') };
  return (
    <header>
      <h2>
        {type?.title || typeOf(job)} <span className="jp-UWSPage-runid">{job.runId}</span>
      </h2>
      <p className="jp-UWSJobs-line">
        <Phase phase={job.phase} />
        <span className="jp-UWSJobs-small jp-UWSPage-message">{job.phase === 'ERROR' ? '' : job.message}</span>
      </p>
      {job.progress !== null && <Progress value={job.progress} label={trans.__('Progress of %1', nameOf(job))} />}
      {!page.deleted && (
        <div className="jp-UWSPage-bar" role="toolbar" aria-label={trans.__('Actions')}>
          {actions(job.phase, job.service).map(action => (
            <Button
              key={action}
              kind={action === 'run' ? 'accept' : undefined}
              act={() => { attempt(host, () => confirmed(host, action, [job], () => page.act(action))); }}
            >
              {labels[action]}
            </Button>
          ))}
          {type && <Button act={again}>{trans.__('Run again …')}</Button>}
          {job.service !== undefined && job.phase !== 'PENDING' && (
            <Button act={() => { attempt(host, repeat); }}>{trans.__('Run again')}</Button>
          )}
          {job.service === undefined && (
            <Button act={() => { attempt(host, () => host.insertCode(retrieval(job))); }}>{trans.__('Open in notebook')}</Button>
          )}
          {type && (
            <Button act={() => { host.copy(repetition(type, job)); }}>{trans.__('Copy as Python')}</Button>
          )}
        </div>
      )}
    </header>
  );
}

/** Created, started, ended: the waiting and the running in proportion. */
function Timeline({ page, job, host }: IPart): JSX.Element {
  const { trans } = host;
  const running = job.started !== null && job.ended === null;
  const now = useNow(running && page.visible);
  const end = (job.ended ?? now).getTime();
  const begin = job.created?.getTime() ?? end;
  const start = job.started?.getTime() ?? end;
  const waited = end > begin ? (100 * (start - begin)) / (end - begin) : 0;
  const ran = elapsed(job, now);
  const limit = job.executionDuration > 0 ? trans.__(' of at most %1', formatDuration(job.executionDuration)) : '';
  const steps: [string, Date | null, string][] = [
    [trans.__('Created'), job.created, ''],
    [trans.__('Started'), job.started, job.started && trans.__('after %1', formatDuration((start - begin) / 1000))],
    [trans.__('Ended'), job.ended, ran && (running ? trans.__('running for %1', ran) + limit : trans.__('ran %1', ran))]
  ].map(([label, time, words]) => [label as string, time as Date | null, (words ?? '') as string]);
  return (
    <section className="jp-UWSPage-timeline" aria-label={trans.__('Timeline')}>
      <div className="jp-UWSPage-span" aria-hidden="true">
        <span style={{ width: `${waited}%` }} />
        <span style={{ width: `${100 - waited}%` }} data-running={running || undefined} />
      </div>
      <dl>
        {steps.map(([label, time, words]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              {time?.toLocaleString() ?? '–'} <span className="jp-UWSJobs-small">{words}</span>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Failure({ page, job, host }: IPart): JSX.Element {
  const [detail, setDetail] = useState<string | null>(null);
  const { trans } = host;
  return (
    <section className="jp-UWSJobs-trouble" aria-label={trans.__('Error')}>
      <strong>{trans.__('The job has failed.')}</strong>
      <p>{job.message}</p>
      {detail !== null && <pre tabIndex={0}>{detail}</pre>}
      {job.hasDetail && detail === null && !page.deleted && (
        <Button act={() => { attempt(host, async () => { setDetail(await page.errorDetail()); }); }}>
          {trans.__('The whole story')}
        </Button>
      )}
    </section>
  );
}

function Parameters({ page, job, host }: IPart): JSX.Element {
  const { trans } = host;
  const names = [...new Set([...(page.type?.parameters ?? []).map(each => each.name), ...Object.keys(job.parameters)])];
  return (
    <section aria-label={trans.__('Parameters')}>
      <h3>{trans.__('Parameters')}</h3>
      <table>
        <tbody>
          {names.map(name => {
            const parameter = page.type?.parameters.find(each => each.name === name);
            const values = job.parameters[name] ?? [];
            const files = job.uploads[name]?.map(file => `${file.filename} (${formatSize(file.size)})`);
            const text = files?.join(', ') ?? textOf(values);
            const standard = parameter && isDefault(parameter, values);
            return (
              <tr key={name} data-default={standard ?? false}>
                <th scope="row" title={parameter?.description}>
                  {name}
                </th>
                <td>
                  {text || '–'} {text && parameter?.unit}
                </td>
                <td className="jp-UWSJobs-small jp-UWSPage-default">
                  {standard
                    ? trans.__('default')
                    : parameter && defaultOf(parameter) && trans.__('default %1', defaultOf(parameter))}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

function Results({ job, service, host }: { job: IJobDocument; service: JobService; host: IHost }): JSX.Element | null {
  const { trans } = host;
  if (job.resultFiles.length === 0) {
    return null;
  }
  return (
    <section aria-label={trans.__('Results')}>
      <h3>{trans.__('Results')}</h3>
      {job.resultFiles.map(result => (
        <Result key={result.name} job={job} result={result} service={service} host={host} />
      ))}
    </section>
  );
}

function Result(props: { job: IJobDocument; result: IResult; service: JobService; host: IHost }): JSX.Element {
  const { job, result, service, host } = props;
  const { trans } = host;
  const View = viewerFor(result);
  const [open, setOpen] = useState(() => isShownAtOnce(result, job.resultFiles));
  const file = service.resultFile(job, result);
  const { openNotebook } = host;
  const asNotebook = async (open: NonNullable<typeof openNotebook>): Promise<void> => {
    const name = fileName(result).replace(/\.ipynb$/, `-${job.id}.ipynb`);
    await open(name, await (await file.range(0, Number.MAX_SAFE_INTEGER)).text());
  };
  const hash = result.sha256 === null ? '' : `SHA-256 ${result.sha256.slice(0, 8)}…`;
  return (
    <article className="jp-UWSPage-file" data-result={result.name}>
      <div className="jp-UWSPage-bar">
        <button
          type="button"
          className="jp-UWSPage-toggle"
          aria-expanded={open}
          disabled={View === null}
          onClick={() => { setOpen(!open); }}
        >
          {result.name}
        </button>
        <span className="jp-UWSJobs-small" title={result.sha256 === null ? undefined : `SHA-256 ${result.sha256}`}>
          {[result.content_type, formatSize(result.size), hash, result.description].filter(Boolean).join(' · ')}
        </span>
        <span className="jp-UWSPage-space" />
        {View && <Button act={() => { host.openResult(job, result); }}>{trans.__('Open')}</Button>}
        {openNotebook && isNotebook(result) && (
          <Button act={() => { attempt(host, () => asNotebook(openNotebook)); }}>{trans.__('Open as notebook')}</Button>
        )}
        {job.service === undefined && (
          <Button act={() => { attempt(host, () => host.insertCode(reading(job, result))); }}>{trans.__('To notebook')}</Button>
        )}
        <a href={file.url} download={fileName(result)} target="_blank" rel="noreferrer">
          {trans.__('Download')}
        </a>
      </div>
      {open && View && <View file={file} host={host} full={false} />}
    </article>
  );
}

/** When the job is destroyed, and how long it may run: both can be set, the latter before it runs. */
function Limits({ page, job, host }: IPart): JSX.Element {
  const { trans } = host;
  const local = job.destruction && new Date(job.destruction.getTime() - 60000 * job.destruction.getTimezoneOffset());
  const fixed = page.deleted || job.phase === 'ARCHIVED';
  const info = Object.entries(job.info).filter(([name]) => !['progress', 'message'].includes(name));
  return (
    <section aria-label={trans.__('Limits')}>
      <h3>{trans.__('Limits and resources')}</h3>
      <div className="jp-UWSPage-bar">
        <label>
          {trans.__('Kept until')}
          <input
            key={local?.getTime()}
            type="datetime-local"
            className="jp-mod-styled"
            disabled={fixed}
            defaultValue={local?.toISOString().slice(0, 16)}
            onBlur={event => {
              const time = new Date(event.target.value);
              if (event.target.value && event.target.value !== event.target.defaultValue) {
                attempt(host, () => page.setDestruction(time));
              }
            }}
          />
        </label>
        <label>
          {trans.__('Longest run [s]')}
          <input
            key={job.executionDuration}
            type="number"
            min={0}
            className="jp-mod-styled"
            disabled={fixed || job.phase !== 'PENDING'}
            defaultValue={job.executionDuration}
            onBlur={event => {
              if (event.target.value !== event.target.defaultValue) {
                attempt(host, () => page.setExecutionDuration(event.target.value));
              }
            }}
          />
        </label>
      </div>
      <p className="jp-UWSJobs-small">
        {[...info.map(([name, value]) => `${name.replace(/_/g, ' ')}: ${String(value)}`), `id: ${job.id}`].join(' · ')}
      </p>
    </section>
  );
}
