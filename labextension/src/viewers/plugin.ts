/**
 * Opens tables and images of the observatories' formats from the file browser.
 */
import { ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { ABCWidgetFactory, DocumentRegistry, DocumentWidget, IDocumentWidget } from '@jupyterlab/docregistry';
import { Contents, IDefaultDrive, ServerConnection } from '@jupyterlab/services';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { LabIcon, ReactWidget, spreadsheetIcon } from '@jupyterlab/ui-components';
import { createElement, type ReactElement } from 'react';

import { ByteSource, FormatError, megabytes, rangeSource } from '../formats/source';
import { decodeBase64 } from '../formats/votablebinary';
import { skyImageIcon } from './icons';
import { Format, viewerFor } from './index';
import { addViewCommand } from './linked';
import { requestRange } from './ranges';

/** Of a file that comes in one piece, as base64 in JSON. */
const LARGEST_WHOLE = 64e6;
const FACTORY = 'Observatory viewer';
const NAMESPACE = 'jupyter-uws-viewers';
/** The content provider that gives a document everything but its content. */
const PROVIDER = 'jupyter-uws:by-ranges';

interface FileType {
  readonly name: string;
  readonly label: string;
  readonly extensions: string[];
  readonly mime: string;
  readonly icon: LabIcon;
  readonly format: Format;
}

const FILE_TYPES: readonly FileType[] = [
  {
    name: 'fits',
    label: 'FITS',
    extensions: ['.fits', '.fit', '.fts', '.fits.gz', '.fit.gz', '.fts.gz', '.oifits', '.oifits.gz'],
    mime: 'application/fits',
    icon: skyImageIcon,
    format: 'fits'
  },
  {
    name: 'votable',
    label: 'VOTable',
    extensions: ['.vot', '.votable', '.vot.gz'],
    mime: 'application/x-votable+xml',
    icon: spreadsheetIcon,
    format: 'votable'
  },
  { name: 'ecsv', label: 'ECSV', extensions: ['.ecsv'], mime: 'text/x-ecsv', icon: spreadsheetIcon, format: 'ecsv' }
];

export const viewers: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-uws:viewers',
  description: 'Views of FITS, OIFITS, VOTable and ECSV files.',
  autoStart: true,
  requires: [IDefaultDrive],
  optional: [ITranslator, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    drive: Contents.IDrive,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_uws');
    const { contents, serverSettings } = app.serviceManager;
    drive.contentProviderRegistry?.register(PROVIDER, new WithoutContent(drive));
    for (const { name, label, extensions, mime, icon } of FILE_TYPES) {
      app.docRegistry.addFileType({ name, displayName: label, extensions, mimeTypes: [mime], icon, fileFormat: 'base64' });
    }
    // any XML may be a VOTable, so these are offered under "Open With"
    app.docRegistry.addFileType({ name: 'xml', displayName: 'XML', extensions: ['.xml'], mimeTypes: ['text/xml'] });
    addViewCommand(app, trans, restorer);
    const names = FILE_TYPES.map(type => type.name);
    const factory = new ViewerFactory(trans, contents, serverSettings, {
      name: FACTORY,
      label: trans.__('Observatory viewer'),
      modelName: 'base64',
      fileTypes: [...names, 'xml', 'csv', 'tsv'],
      defaultFor: names,
      readOnly: true,
      // a drive of another kind sends the files as a whole: slower, but they are shown
      ...(drive.contentProviderRegistry && { contentProviderId: PROVIDER })
    });
    app.docRegistry.addWidgetFactory(factory);
    const tracker = new WidgetTracker<IDocumentWidget>({ namespace: NAMESPACE });
    factory.widgetCreated.connect((_, widget) => {
      void tracker.add(widget);
      widget.context.pathChanged.connect(() => void tracker.save(widget));
    });
    void restorer?.restore(tracker, {
      command: 'docmanager:open',
      args: widget => ({ path: widget.context.path, factory: FACTORY }),
      name: widget => widget.context.path
    });
  }
};

/**
 * Answers for a file without its bytes: a document of 200 MB would else be sent as base64 when it is opened.
 */
class WithoutContent {
  constructor(private readonly _drive: Contents.IDrive) {}

  async get(path: string, options?: Contents.IFetchOptions): Promise<Contents.IModel> {
    const model = await this._drive.get(path, { type: options?.type, content: false });
    // not writable: of what can be written JupyterLab makes a checkpoint, a copy of the whole file
    return { ...model, content: '', format: 'base64', writable: false };
  }

  save(): Promise<Contents.IModel> {
    return Promise.reject(new Error('The views of the observatory do not write files.'));
  }
}

class ViewerFactory extends ABCWidgetFactory<IDocumentWidget> {
  constructor(
    private readonly _trans: TranslationBundle,
    private readonly _contents: Contents.IManager,
    private readonly _settings: ServerConnection.ISettings,
    options: DocumentRegistry.IWidgetFactoryOptions<IDocumentWidget>
  ) {
    super(options);
  }

  protected createNewWidget(context: DocumentRegistry.Context): IDocumentWidget {
    const open = (): Promise<ByteSource> => openFile(this._contents, this._settings, context.path);
    const content = new Viewer(context, this._trans, open);
    const widget = new DocumentWidget({ content, context });
    widget.title.icon = this._iconOf(context.path);
    widget.toolbar.hide(); // it would only say that the file is read-only
    return widget;
  }

  private _iconOf(path: string): LabIcon | undefined {
    return FILE_TYPES.find(type => type.extensions.some(extension => path.toLowerCase().endsWith(extension)))?.icon;
  }
}

/** The file in a document's path, by Range requests to the server's file handler. */
async function openFile(
  contents: Contents.IManager,
  settings: ServerConnection.ISettings,
  path: string
): Promise<ByteSource> {
  const url = await contents.getDownloadUrl(path);
  // the file handler follows no link out of its folder: 403
  const instead = (status: number): Promise<Response> | null => (status === 403 ? whole(contents, path) : null);
  // the browser's cache cannot tell an older version of a file by its range
  return rangeSource((first, last) => requestRange(settings, url, first, last, 'no-store', instead));
}

async function whole(contents: Contents.IManager, path: string): Promise<Response> {
  const { size } = await contents.get(path, { content: false });
  if ((size ?? 0) > LARGEST_WHOLE) {
    throw new FormatError(`The server gives this file only as a whole, and it is larger than ${megabytes(LARGEST_WHOLE)}.`);
  }
  const model = await contents.get(path, { format: 'base64', content: true });
  return new Response(await decodeBase64(String(model.content)));
}

class Viewer extends ReactWidget {
  constructor(
    private readonly _context: DocumentRegistry.Context,
    private readonly _trans: TranslationBundle,
    private readonly _openFile: () => Promise<ByteSource>
  ) {
    super();
    this.addClass('jp-UWSDocument');
    this._open = () => this._openFile();
    // "Reload from Disk", and changes that JupyterLab notices
    _context.fileChanged.connect((_, model) => {
      if (this._modified !== null && this._modified !== model.last_modified) {
        this._open = () => this._openFile();
        this.update();
      }
      this._modified = model.last_modified;
    });
  }

  protected render(): ReactElement | null {
    const path = this._context.path;
    const name = path.slice(path.lastIndexOf('/') + 1);
    const component = viewerFor(/\.xml$/i.test(name) ? 'application/x-votable+xml' : '', name);
    return component && createElement(component, { name, open: this._open, trans: this._trans });
  }

  private _open: () => Promise<ByteSource>;
  private _modified: string | null = null;
}
