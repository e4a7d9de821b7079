/**
 * The plugin of the jobs: side panel, tabs, status bar, notifications and commands over one event stream.
 */
import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, Dialog, ICommandPalette, Notification, showDialog } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { kernelIcon } from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { messageOf } from '../errors';
import { jobsIcon } from '../icons';
import { LabTransport } from '../labtransport';
import { insertCode } from '../notebooks';
import { Activity } from './activity';
import { JobService } from './api';
import { Elsewhere } from './elsewhere';
import { JobEvents } from './events';
import { IHost } from './host';
import { IJobRef, IResult, refOnly } from './job';
import { JobList } from './list';
import { announce, IBoard, INotice, SHOWN } from './notices';
import { JobsView } from './panel';
import { pickFile } from './picker';
import { addRunNotebook, openNotebook, RUN_NOTEBOOK } from './runnotebook';
import { SeenWidget } from './seen';
import { JobsStatus } from './status';
import { Tabs } from './tabs';

const ID = 'jupyter-uws:jobs';
const PANEL = 'jupyter-uws-jobs';
const CATEGORY = 'Observatory';
const NEW_JOB = 'jupyter-uws:new-job';
const OPEN_JOB = 'jupyter-uws:open-job';
const OPEN_RESULT = 'jupyter-uws:open-result';
const COMPARE = 'jupyter-uws:compare-jobs';
const OPEN_CLUSTER = 'jupyter-uws:open-cluster';

export const jobs: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "The user's UWS jobs: a live list, a form for new ones, a page of each, notifications.",
  autoStart: true,
  optional: [ILayoutRestorer, ITranslator, ICommandPalette, ILauncher, IStatusBar, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    statusBar: IStatusBar | null,
    settings: ISettingRegistry | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_uws');
    const transport = new LabTransport(app.serviceManager.serverSettings);
    const service = new JobService(transport);
    const events = new JobEvents(
      () => transport.events(),
      () => whyNot(service)
    );
    const elsewhere = new Elsewhere(service);
    const list = new JobList(service, events, elsewhere);
    const activity = new Activity(events, job => service.document(job));
    const host: IHost = {
      trans,
      openJob: ref => void app.commands.execute(OPEN_JOB, { ...refOnly(ref) }),
      openNewJob: asked => void app.commands.execute(NEW_JOB, { ...asked } as ReadonlyPartialJSONObject),
      openResult: (ref, result) => { tabs.openResult(ref, result); },
      openCluster: () => void app.commands.execute(OPEN_CLUSTER),
      compare: refs => { tabs.compare(refs); },
      insertCode: async code => {
        await insertCode(app, code, trans);
      },
      copy: text => {
        Clipboard.copyToSystem(text);
        Notification.success(trans.__('Copied'), { autoClose: 1500 });
      },
      confirm: async ({ title, body, accept }) => {
        const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label: accept })];
        return (await showDialog({ title, body, buttons })).button.accept;
      },
      complain: sentence => void Notification.error(sentence),
      openNotebook: (name, content) => openNotebook(app, name, content),
      files: 'JupyterLab',
      pickFile: () => pickFile(app.serviceManager.contents, PageConfig.getOption('serverRoot'), trans)
    };
    const tabs = new Tabs(app, service, events, host);
    const retry = (): void => {
      events.retry();
      void list.refresh();
      void elsewhere.refresh();
    };
    const panel = new SeenWidget(<JobsView list={list} host={host} retry={retry} />, visible => {
      list.setVisible(visible);
    });
    panel.id = PANEL;
    panel.title.icon = jobsIcon;
    panel.title.caption = trans.__('Jobs');
    panel.addClass('jp-UWSJobs');
    app.shell.add(panel, 'left', { rank: 500 });
    addCommands(app, tabs, host);
    addRunNotebook(app, service, tabs, trans);
    for (const command of [NEW_JOB, RUN_NOTEBOOK, OPEN_CLUSTER]) {
      palette?.addItem({ command, category: CATEGORY });
    }
    launcher?.add({ command: NEW_JOB, category: CATEGORY, rank: 1 });
    restorer?.add(panel, panel.id);
    void restorer?.restore(tabs.jobs, {
      command: OPEN_JOB,
      args: tab => ({ ...refOf(tab.id) }),
      name: tab => tab.id
    });
    for (const [tracker, command] of [[tabs.results, OPEN_RESULT], [tabs.comparisons, COMPARE]] as const) {
      void restorer?.restore(tracker, { command, args: tab => tabs.argsOf(tab), name: tab => tab.id });
    }
    const open = (): void => {
      app.shell.activateById(PANEL);
    };
    statusBar?.registerStatusItem(ID, {
      item: new SeenWidget(<JobsStatus activity={activity} events={events} cluster={() => service.cluster()} host={host} open={open} />),
      align: 'left',
      rank: 50
    });
    let wanted = 'jupyterlab';
    settings?.load(ID).then(
      loaded => {
        const read = (): void => {
          wanted = loaded.get('notifications').composite as string;
          if (wanted === 'desktop' && 'Notification' in window) {
            void window.Notification.requestPermission();
          }
        };
        loaded.changed.connect(read);
        read();
      },
      () => undefined // without its schema: as it is by default
    );
    announce(activity, trans, boardOf(() => wanted, host));
    void app.restored.then(() => {
      events.start();
    });
  }
};

/** What the service says where it refuses the stream. */
async function whyNot(service: JobService): Promise<string> {
  try {
    await service.cluster();
    return 'The event stream broke off; it is asked for again.';
  } catch (error) {
    return messageOf(error);
  }
}

/** The job of a tab with this id, for the command that opens it. */
function refOf(id: string): IJobRef | null {
  const [, service, type, job] = /^jupyter-uws-job-(?:([^/:]+):)?(.*)\/([^/]+)$/.exec(id) ?? [];
  return type === undefined || job === undefined ? null : refOnly({ type, id: job, service: service ?? '' });
}

function addCommands(app: JupyterFrontEnd, tabs: Tabs, { trans }: IHost): void {
  const text = { type: 'string' } as const;
  app.commands.addCommand(NEW_JOB, {
    label: trans.__('New job'),
    caption: trans.__('Choose a type of job, fill in its parameters, and run it'),
    icon: jobsIcon,
    describedBy: {
      args: {
        type: 'object',
        properties: {
          type: text,
          run_id: text,
          parameters: { type: 'object' },
          obs_ids: { type: 'array', items: text },
          position: { type: 'object', properties: { ra: { type: 'number' }, dec: { type: 'number' } } }
        }
      }
    },
    execute: args => {
      tabs.openNewJob(args);
    }
  });
  app.commands.addCommand(OPEN_JOB, {
    label: trans.__('Open a job'),
    describedBy: { args: { type: 'object', properties: { type: text, id: text, service: text }, required: ['type', 'id'] } },
    execute: args => {
      tabs.openJob(refOnly(args as unknown as IJobRef));
    }
  });
  const job = { type: 'object', properties: { type: text, id: text, service: text }, required: ['type', 'id'] } as const;
  app.commands.addCommand(OPEN_RESULT, {
    label: trans.__('Open a result of a job'),
    describedBy: { args: { type: 'object', properties: { job, result: { type: 'object' } }, required: ['job', 'result'] } },
    execute: args => {
      tabs.openResult(args.job as unknown as IJobRef, args.result as unknown as IResult);
    }
  });
  app.commands.addCommand(COMPARE, {
    label: trans.__('Compare jobs'),
    describedBy: { args: { type: 'object', properties: { jobs: { type: 'array', items: job } }, required: ['jobs'] } },
    execute: args => {
      tabs.compare(args.jobs as unknown as IJobRef[]);
    }
  });
  app.commands.addCommand(OPEN_CLUSTER, {
    label: trans.__('Cluster of the jobs'),
    caption: trans.__('Workers, allocations and why they wait'),
    icon: kernelIcon,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => {
      tabs.openCluster();
    }
  });
}

/** JupyterLab's notifications, and the desktop's where the user wants them; none at all for 'none'. */
function boardOf(wanted: () => string, host: IHost): IBoard {
  const opened = (job: INotice['job']) => (): void => {
    if (job) {
      host.openJob(job);
    }
  };
  const optionsOf = ({ job }: INotice): object => ({
    actions: job ? [{ label: host.trans.__('Open'), callback: opened(job) }] : [],
    autoClose: SHOWN
  });
  const onDesktop = (id: string, notice: INotice): void => {
    if (wanted() === 'desktop' && 'Notification' in window && window.Notification.permission === 'granted') {
      // the one of this tag is replaced
      new window.Notification(notice.message, { tag: id }).onclick = opened(notice.job);
    }
  };
  const typeOf = (notice: INotice): 'error' | 'success' => (notice.failed ? 'error' : 'success');
  const show = (notice: INotice): string => {
    if (wanted() === 'none') {
      return '';
    }
    const id = Notification.emit(notice.message, typeOf(notice), optionsOf(notice));
    onDesktop(id, notice);
    return id;
  };
  return {
    show,
    replace: (id, notice) => {
      if (!Notification.update({ id, message: notice.message, type: typeOf(notice), ...optionsOf(notice) })) {
        return show(notice);
      }
      onDesktop(id, notice);
      return id;
    },
    hide: id => {
      if (id) {
        Notification.dismiss(id); // without an id it would dismiss all
      }
    }
  };
}
