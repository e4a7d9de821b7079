/**
 * The tabs of the main area: a job, a new job, a result, two jobs compared, the cluster.
 */
import { JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { kernelIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import type { JSX } from 'react';

import { jobsIcon } from '../icons';
import { JobService } from './api';
import { ClusterView } from './clusterview';
import { CompareView } from './compareview';
import { JobEvents } from './events';
import { INewJob, JobForm } from './form';
import { FormView } from './formview';
import { IHost } from './host';
import { IJobRef, IResult, keyOf, refOnly, typeOf } from './job';
import { JobView } from './jobview';
import { JobPage } from './page';
import { SeenWidget } from './seen';
import { ResultView } from './viewers';

export type Tab = MainAreaWidget<SeenWidget>;

/** Opens tabs; one that shows the same is brought to the front instead. */
export class Tabs {
  constructor(
    private readonly _app: JupyterFrontEnd,
    private readonly _service: JobService,
    private readonly _events: JobEvents,
    private readonly _host: IHost
  ) {}

  /** Those that come back after the page is loaded anew. */
  readonly jobs = new WidgetTracker<Tab>({ namespace: 'jupyter-uws-jobs' });
  readonly results = new WidgetTracker<Tab>({ namespace: 'jupyter-uws-results' });
  readonly comparisons = new WidgetTracker<Tab>({ namespace: 'jupyter-uws-comparisons' });

  /** What a tab of results or comparisons was opened with, for the command that opens it again. */
  argsOf(tab: Tab): ReadonlyPartialJSONObject {
    return this._args.get(tab) ?? {};
  }

  openJob(ref: IJobRef): void {
    const id = `jupyter-uws-job-${keyOf(ref)}`;
    this._open(id, () => {
      const page = new JobPage(this._service, this._events, ref);
      const view = <JobView page={page} service={this._service} host={this._host} />;
      const tab = this._tab(view, typeOf(ref), visible => { page.setVisible(visible); }, () => { page.dispose(); });
      tab.id = id; // the tracker keeps it by that
      page.changed.connect(() => {
        tab.title.label = page.job?.runId ? `${typeOf(ref)} ${page.job.runId}`.slice(0, 40) : typeOf(ref);
        tab.title.caption = ref.id;
      });
      void page.load();
      void this.jobs.add(tab);
      return tab;
    });
  }

  /** With `files` that are given already, by parameter. */
  openNewJob(asked: INewJob, files: Readonly<Record<string, readonly File[]>> = {}): void {
    const form = new JobForm(this._service, asked, files);
    const id = `jupyter-uws-form-${Date.now()}`;
    this._open(id, () => {
      const done = (job: IJobRef): void => {
        this.openJob(job);
        tab.dispose();
      };
      const tab = this._tab(<FormView form={form} host={this._host} done={done} />, this._host.trans.__('New job'));
      void form.load();
      return tab;
    });
  }

  openResult(job: IJobRef, result: IResult): void {
    const id = `jupyter-uws-result-${keyOf(job)}-${result.name}`;
    this._open(id, () => {
      const file = this._service.resultFile(job, result);
      const tab = this._tab(<ResultView file={file} host={this._host} />, result.name);
      return this._keep(tab, id, this.results, { job: refOnly(job), result: { ...result } });
    });
  }

  openCluster(): void {
    this._open('jupyter-uws-cluster', () => {
      let visible = false;
      const view = (
        <ClusterView
          read={() => this._service.cluster()}
          dashboard={this._service.url(['dashboard', 'status'])}
          isVisible={() => visible}
          host={this._host}
        />
      );
      const tab = this._tab(view, this._host.trans.__('Cluster'), seen => {
        visible = seen;
      });
      tab.title.icon = kernelIcon;
      return tab;
    });
  }

  compare(jobs: readonly IJobRef[]): void {
    const id = `jupyter-uws-compare-${jobs.map(keyOf).join('-')}`;
    this._open(id, () => {
      const view = <CompareView refs={jobs} read={ref => this._service.document(ref)} host={this._host} />;
      const tab = this._tab(view, this._host.trans.__('Comparison'));
      return this._keep(tab, id, this.comparisons, { jobs: jobs.map(refOnly) });
    });
  }

  private _tab(view: JSX.Element, label: string, seen?: (visible: boolean) => void, gone?: () => void): Tab {
    const tab = new MainAreaWidget({ content: new SeenWidget(view, seen, gone) });
    tab.title.label = label;
    tab.title.icon = jobsIcon;
    tab.title.closable = true;
    return tab;
  }

  private _keep(tab: Tab, id: string, tracker: WidgetTracker<Tab>, args: object): Tab {
    tab.id = id; // the tracker keeps it by that
    this._args.set(tab, args as ReadonlyPartialJSONObject);
    void tracker.add(tab);
    return tab;
  }

  private readonly _args = new WeakMap<Tab, ReadonlyPartialJSONObject>();

  private _open(id: string, make: () => Tab): void {
    const there = [...this._app.shell.widgets('main')].find(widget => widget.id === id);
    if (!there) {
      const tab = make();
      tab.id = id;
      this._app.shell.add(tab, 'main');
    }
    this._app.shell.activateById(id);
  }
}
