/**
 * The pages about jobs, made of the views of JupyterLab's panels.
 */
import { useEffect, useState } from 'react';
import type { JSX } from 'react';

import { messageOf } from '../errors';
import { ClusterView } from '../jobs/clusterview';
import { CompareView } from '../jobs/compareview';
import { Elsewhere } from '../jobs/elsewhere';
import { JobForm } from '../jobs/form';
import { FormView } from '../jobs/formview';
import { attempt } from '../jobs/host';
import { IJobRef, IResult, IResultFile } from '../jobs/job';
import { JobView } from '../jobs/jobview';
import { EVERYTHING, JobList } from '../jobs/list';
import { JobPage } from '../jobs/page';
import { JobsView } from '../jobs/panel';
import { Trouble } from '../jobs/parts';
import { formCode, literal, reading, retrieval } from '../jobs/python';
import { ResultView } from '../jobs/viewers';
import { Desk, IPage, Place } from './desk';

export function jobsPage(desk: Desk, place: Place): IPage {
  switch (place.kind) {
    case 'jobs':
      return listPage(desk, place);
    case 'job':
      return jobPage(desk, place.job);
    case 'form':
      return formPage(desk, place);
    case 'result':
      return resultPage(desk, place.job, place.name);
    case 'compare':
      return comparePage(desk, place.jobs);
    case 'cluster':
      return clusterPage(desk);
    case 'search':
      throw new Error('This widget has no search.');
  }
}

type Of<Kind extends Place['kind']> = Extract<Place, { kind: Kind }>;

function listPage(desk: Desk, { query }: Of<'jobs'>): IPage {
  const { service, events, host } = desk;
  const elsewhere = new Elsewhere(service);
  const list = new JobList(service, events, elsewhere);
  const home = { ...EVERYTHING, ...query };
  list.setQuery(home);
  list.changed.connect(() => {
    desk.tell('selected_ids', list.selected.filter(job => job.service === undefined).map(job => job.id));
  });
  const retry = (): void => {
    events.retry();
    void list.refresh();
    void elsewhere.refresh();
  };
  return {
    kind: 'jobs',
    view: (
      <div className="jp-UWSJobs">
        <JobsView list={list} host={host} retry={retry} home={home} />
      </div>
    ),
    code: () => listing(list),
    changed: list.changed,
    setVisible: visible => {
      list.setVisible(visible);
    }
  };
}

/** The list as a table. */
function listing({ query }: JobList): string {
  const phases = query.phases.length > 0 && `phase=${literal([...query.phases])}`;
  const given = [phases, query.type && `type=${literal(query.type)}`, query.text && `run_id=${literal(`*${query.text}*`)}`];
  const head = 'from jupyter_uws import JobService\n\nuws = JobService()\n';
  return `${head}uws.query(${given.filter(Boolean).join(', ')})\n`;
}

function jobPage({ service, events, host }: Desk, ref: IJobRef): IPage {
  const page = new JobPage(service, events, ref);
  void page.load();
  return {
    kind: 'job',
    view: <JobView page={page} service={service} host={host} />,
    code: () => retrieval(ref),
    setVisible: visible => {
      page.setVisible(visible);
    },
    dispose: () => {
      page.dispose();
    }
  };
}

function formPage(desk: Desk, { asked }: Of<'form'>): IPage {
  const { service, host, transport } = desk;
  const form = new JobForm(service, asked);
  const load = async (): Promise<void> => {
    await form.load();
    for (const [field, file] of Object.entries(asked.files ?? {})) {
      form.set(field, [await transport.kernelFile({ given: field }, file)]);
    }
  };
  attempt(host, load);
  const done = (job: IJobRef): void => {
    desk.tell('job_id', job.id);
    desk.open({ kind: 'job', job });
  };
  return {
    kind: 'form',
    view: <FormView form={form} host={host} done={done} />,
    code: () => formCode(form),
    changed: form.changed
  };
}

function resultPage(desk: Desk, job: IJobRef, name: string): IPage {
  return {
    kind: 'result',
    view: <NamedResult key={`${job.id} ${name}`} desk={desk} job={job} name={name} />,
    code: () => reading(job, { name } as IResult)
  };
}

/** A result by its name; the job's document tells its type. */
function NamedResult({ desk, job, name }: { desk: Desk; job: IJobRef; name: string }): JSX.Element | null {
  const { service, host } = desk;
  const { trans } = host;
  const [file, setFile] = useState<IResultFile | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const read = async (): Promise<void> => {
    try {
      const document = await service.document(job);
      const result = document.resultFiles.find(each => each.name === name);
      setFile(result ? service.resultFile(job, result) : null);
      setProblem(result ? null : trans.__('The job %1 has no result %2.', job.id, name));
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  useEffect(() => {
    void read();
  }, []);
  return (
    <>
      {problem !== null && (
        <Trouble title={trans.__('It cannot be shown.')} words={problem} trans={trans} retry={() => void read()} />
      )}
      {file && <ResultView file={file} host={host} />}
    </>
  );
}

function comparePage({ service, host }: Desk, jobs: readonly IJobRef[]): IPage {
  const ids = jobs.map(job => literal(job.id)).join(', ');
  return {
    kind: 'compare',
    view: <CompareView refs={jobs} read={ref => service.document(ref)} host={host} />,
    code: () => `from jupyter_uws import JobService\n\nuws = JobService()\n[uws.job(id).parameters for id in (${ids})]\n`
  };
}

function clusterPage({ service, transport, host }: Desk): IPage {
  let visible = false;
  // Dask's dashboard is a site of its own, which the kernel cannot bring page by page
  const read = async (): ReturnType<typeof service.cluster> => ({ ...(await service.cluster()), dashboard: false });
  return {
    kind: 'cluster',
    view: (
      <ClusterView
        read={read}
        dashboard={transport.url(['dashboard', 'status'])}
        isVisible={() => visible}
        host={host}
      />
    ),
    code: () => 'from jupyter_uws import JobService\n\nJobService().connection.get("cluster").json()\n',
    setVisible: seen => {
      visible = seen;
    }
  };
}
