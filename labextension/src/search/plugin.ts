/**
 * The plugin "Archive search": a main-area widget with a launcher card, restored after a reload.
 */
import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, Dialog, ICommandPalette, MainAreaWidget, Notification, showDialog, WidgetTracker } from '@jupyterlab/apputils';
import { PageConfig } from '@jupyterlab/coreutils';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { ReadonlyPartialJSONObject, ReadonlyPartialJSONValue } from '@lumino/coreutils';
import { Debouncer } from '@lumino/polling';

import { Baskets, BasketService } from '../baskets/model';
import { telescopeIcon } from '../icons';
import { LabTransport } from '../labtransport';
import { runCode } from '../notebooks';
import { VIEW_COMMAND } from '../viewers/linked';
import { ISearchActions } from './actions';
import { ArchiveService } from './api';
import { ISearchDefaults, ISearchState, SearchModel } from './model';
import { SearchWidget } from './widget';

const ID = 'jupyter-uws:search';
const COMMAND = ID;
const NEW_JOB = 'jupyter-uws:new-job';
const CATEGORY = 'Observatory';
const STATE = 'jupyter-uws:search';
/** After so many milliseconds without a change, the state is kept. */
const PAUSE = 500;

export const search: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Search the archive of observations, and go on with what was found.',
  autoStart: true,
  requires: [IStateDB],
  optional: [ICommandPalette, ILauncher, ILayoutRestorer, ITranslator, ISettingRegistry],
  activate: (
    app: JupyterFrontEnd,
    state: IStateDB,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null,
    settings: ISettingRegistry | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_uws');
    const tracker = new WidgetTracker<MainAreaWidget<SearchWidget>>({ namespace: 'jupyter-uws-search' });
    let opened: MainAreaWidget<SearchWidget> | null = null;
    app.commands.addCommand(COMMAND, {
      label: trans.__('Archive search'),
      caption: trans.__('Find observations by target, time and energy'),
      icon: telescopeIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: async () => {
        if (opened === null || opened.isDisposed) {
          opened = await create(app, state, settings, trans);
          await tracker.add(opened);
        }
        if (!opened.isAttached) {
          app.shell.add(opened, 'main');
        }
        app.shell.activateById(opened.id);
      }
    });
    palette?.addItem({ command: COMMAND, category: CATEGORY });
    launcher?.add({ command: COMMAND, category: CATEGORY, rank: 1 });
    void restorer?.restore(tracker, { command: COMMAND, name: () => 'search' });
  }
};

async function create(
  app: JupyterFrontEnd,
  state: IStateDB,
  registry: ISettingRegistry | null,
  trans: TranslationBundle
): Promise<MainAreaWidget<SearchWidget>> {
  const transport = new LabTransport(app.serviceManager.serverSettings);
  const model = new SearchModel(new ArchiveService(transport));
  const [chosen, kept] = await Promise.all([
    registry?.load(ID).catch(() => null), // without its schema: as it is by default
    state.fetch(STATE) as Promise<Partial<ISearchState> | undefined>
  ]);
  const read = (): void => {
    if (chosen) {
      model.setDefaults(chosen.composite as unknown as ISearchDefaults);
    }
  };
  read();
  chosen?.changed.connect(read);
  model.restore(kept ?? {});
  const keep = new Debouncer(() => state.save(STATE, model.state as unknown as ReadonlyPartialJSONValue), PAUSE);
  model.changed.connect(() => void keep.invoke());
  const baskets = new Baskets(new BasketService(transport));
  const content = new SearchWidget({ model, baskets, actions: actionsOf(app, trans), trans });
  const widget = new MainAreaWidget({ content });
  widget.id = 'jupyter-uws-search';
  widget.title.label = trans.__('Archive search');
  widget.title.icon = telescopeIcon;
  widget.title.closable = true;
  widget.disposed.connect(() => {
    model.answer.cancel();
    chosen?.changed.disconnect(read);
    keep.dispose();
  });
  void model.load();
  return widget;
}

function actionsOf(app: JupyterFrontEnd, trans: TranslationBundle): ISearchActions {
  const { commands } = app;
  // the server extension has written them into the page
  const [module, url] = [PageConfig.getOption('uwsAladinUrl'), PageConfig.getOption('uwsAladinSurvey')];
  return {
    survey: module === '' ? null : { module, url },
    openInNotebook: async code => trans.__('The cell is in %1', await runCode(app, code, trans)),
    get newJob(): ISearchActions['newJob'] {
      return commands.hasCommand(NEW_JOB) ? runs => void commands.execute(NEW_JOB, runs as unknown as ReadonlyPartialJSONObject) : null;
    },
    view: (url, mime) => void commands.execute(VIEW_COMMAND, { url, mime }),
    notify: (words, kind) => {
      // JupyterLab cuts a notification at 140 characters
      Notification.emit(words.slice(0, 140), kind, { autoClose: kind === 'success' ? 3000 : false });
    },
    copy: text => {
      Clipboard.copyToSystem(text);
    },
    confirm: async (title, words, action) => {
      const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label: action })];
      return (await showDialog({ title, body: words, buttons })).button.accept;
    }
  };
}
