/**
 * Choose one of the files that JupyterLab shows.
 */
import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Contents } from '@jupyterlab/services';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { JSX } from 'react';

import { messageOf } from '../errors';
import { FolderView, IEntry } from './folder';
import { KnownFile } from './knownfile';
import { literal } from './python';

/** The file with its path below `root`, the folder that JupyterLab shows; null where none was chosen. */
export async function pickFile(contents: Contents.IManager, root: string, trans: TranslationBundle): Promise<File | null> {
  const body = new Picker(contents, trans);
  await body.enter([]);
  const answer = await showDialog({
    title: trans.__('A file of JupyterLab'),
    body,
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Choose') })]
  });
  return answer.button.accept && body.chosen !== null ? readFile(contents, root, body.chosen) : null;
}

/** A file that JupyterLab shows, by its path below `root`. */
export async function readFile(contents: Contents.IManager, root: string, path: string): Promise<File> {
  const model = await contents.get(path, { content: true, type: 'file', format: 'base64' });
  const bytes = Uint8Array.from(atob(model.content as string), letter => letter.charCodeAt(0));
  const whole = root ? `${root.replace(/\/$/, '')}/${path}` : path;
  return new KnownFile(bytes, model.name, model.mimetype, path, literal(whole));
}

class Picker extends ReactWidget {
  constructor(
    private readonly _contents: Contents.IManager,
    private readonly _trans: TranslationBundle
  ) {
    super();
  }

  getValue(): null {
    return null;
  }

  /** The path of the file that was chosen. */
  get chosen(): string | null {
    return this._name === null ? null : [...this._path, this._name].join('/');
  }

  async enter(path: readonly string[]): Promise<void> {
    const folder = await this._contents.get(path.join('/'), { content: true, type: 'directory' });
    const entries = (folder.content as Contents.IModel[]).map(({ name, type }) => ({ name, folder: type === 'directory' }));
    const rank = ({ name, folder }: IEntry): string => `${folder ? 0 : 1}${name.toLowerCase()}`;
    this._entries = entries.sort((one, other) => (rank(one) < rank(other) ? -1 : 1));
    this._path = path;
    this._name = this._problem = null;
    this.update();
  }

  protected render(): JSX.Element {
    return (
      <FolderView
        path={this._path}
        entries={this._entries}
        chosen={this._name}
        {...(this._problem === null ? {} : { problem: this._problem })}
        enter={path => {
          this.enter(path).catch((error: unknown) => {
            this._problem = messageOf(error);
            this.update();
          });
        }}
        choose={name => {
          this._name = name;
          this.update();
        }}
        trans={this._trans}
      />
    );
  }

  private _entries: readonly IEntry[] = [];
  private _path: readonly string[] = [];
  private _name: string | null = null;
  private _problem: string | null = null;
}
