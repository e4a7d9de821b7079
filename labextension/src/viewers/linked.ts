/**
 * Files that the service serves, shown in tabs: what a link leads to, without a download.
 */
import { JupyterFrontEnd, ILayoutRestorer } from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ServerConnection } from '@jupyterlab/services';
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { createElement } from 'react';

import { rangeSource } from '../formats/source';
import { skyImageIcon } from './icons';
import { nameOf, partOf, viewerFor } from './index';
import { requestRange } from './ranges';

/** Shows the file at `url`, of the media type `mime`; the URL's fragment may name an HDU of it. */
export const VIEW_COMMAND = 'jupyter-uws:view-file';

interface Args {
  readonly url?: string;
  readonly mime?: string;
}

export function addViewCommand(app: JupyterFrontEnd, trans: TranslationBundle, restorer: ILayoutRestorer | null): void {
  const tracker = new WidgetTracker<MainAreaWidget>({ namespace: 'jupyter-uws-files' });
  const opened = new WeakMap<MainAreaWidget, { url: string; mime: string }>();
  app.commands.addCommand(VIEW_COMMAND, {
    label: trans.__('View a file of the archive'),
    describedBy: {
      args: {
        type: 'object',
        required: ['url'],
        properties: { url: { type: 'string' }, mime: { type: 'string' } }
      }
    },
    execute: async args => {
      const { url = '', mime = '' } = args as Args;
      const id = `jupyter-uws-file-${url}`;
      let widget = tracker.find(each => each.id === id);
      if (widget === undefined) {
        widget = create(app, trans, url, mime);
        widget.id = id;
        opened.set(widget, { url, mime });
        await tracker.add(widget);
      }
      if (!widget.isAttached) {
        app.shell.add(widget, 'main');
      }
      app.shell.activateById(id);
    }
  });
  void restorer?.restore(tracker, {
    command: VIEW_COMMAND,
    args: widget => opened.get(widget) ?? {},
    name: widget => widget.id
  });
}

function create(app: JupyterFrontEnd, trans: TranslationBundle, url: string, mime: string): MainAreaWidget {
  const { serverSettings } = app.serviceManager;
  const [name, part] = [nameOf(url), partOf(url)];
  const viewer = viewerFor(mime, name);
  if (viewer === null || !new URL(url, window.location.href).href.startsWith(serverSettings.baseUrl)) {
    throw new Error(trans.__('%1 is no file of this server that can be shown.', name || url));
  }
  const [file] = url.split('#', 1);
  const open = (): ReturnType<typeof rangeSource> => rangeSource(requestOf(serverSettings, file ?? ''));
  const content = ReactWidget.create(createElement(viewer, { name, trans, open, part }));
  content.addClass('jp-UWSDocument');
  const widget = new MainAreaWidget({ content });
  widget.title.label = part === '' ? name : `${name} [${part}]`;
  widget.title.caption = url;
  widget.title.icon = skyImageIcon;
  widget.title.closable = true;
  return widget;
}

function requestOf(settings: ServerConnection.ISettings, url: string): (first: number, last: number) => Promise<Response> {
  // files of an archive do not change, and JupyterLab adds the time to addresses that are not to be kept
  return (first, last) => requestRange(settings, url, first, last, 'no-cache');
}
