/**
 * Choose one of the files that JupyterLab shows.
 */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Contents } from '@jupyterlab/services';
import { fileIcon, folderIcon, ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { JSX } from 'react';

/** The file as the browser would give it; null where none was chosen. */
export async function pickFile(contents: Contents.IManager, trans: TranslationBundle): Promise<File | null> {
  const body = new Picker(contents, trans);
  await body.enter('');
  const answer = await showDialog({
    title: trans.__('A file of JupyterLab'),
    body,
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Choose') })]
  });
  if (!answer.button.accept || !body.chosen) {
    return null;
  }
  const model = await contents.get(body.chosen.path, { content: true, type: 'file', format: 'base64' });
  const bytes = Uint8Array.from(atob(model.content as string), letter => letter.charCodeAt(0));
  return new File([bytes], model.name, { type: model.mimetype });
}

class Picker extends ReactWidget {
  constructor(
    private readonly _contents: Contents.IManager,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-UWSPicker');
  }

  chosen: Contents.IModel | null = null;

  getValue(): null {
    return null;
  }

  async enter(path: string): Promise<void> {
    const folder = await this._contents.get(path, { content: true, type: 'directory' });
    const entries = folder.content as Contents.IModel[];
    const rank = (entry: Contents.IModel): string => `${entry.type === 'directory' ? 0 : 1}${entry.name.toLowerCase()}`;
    this._entries = [...entries].sort((one, other) => (rank(one) < rank(other) ? -1 : 1));
    this._path = path;
    this.chosen = null;
    this.update();
  }

  protected render(): JSX.Element {
    const up = this._path.split('/').slice(0, -1).join('/');
    return (
      <>
        <p className="jp-UWSJobs-small">/{this._path}</p>
        <div role="listbox" aria-label={this._trans.__('Files')}>
          {this._path && (
            <button type="button" role="option" aria-selected={false} onClick={() => void this.enter(up)}>
              <folderIcon.react tag="span" /> ..
            </button>
          )}
          {this._entries.map(entry => (
            <button
              key={entry.path}
              type="button"
              role="option"
              aria-selected={this.chosen === entry}
              onClick={() => {
                if (entry.type === 'directory') {
                  void this.enter(entry.path);
                } else {
                  this.chosen = entry;
                  this.update();
                }
              }}
            >
              {entry.type === 'directory' ? <folderIcon.react tag="span" /> : <fileIcon.react tag="span" />} {entry.name}
            </button>
          ))}
        </div>
      </>
    );
  }

  private _entries: readonly Contents.IModel[] = [];
  private _path = '';
}
