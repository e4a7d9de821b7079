/**
 * What is in a folder, to go into another one or to choose a file.
 */
import { fileIcon, folderIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { JSX } from 'react';

export interface IEntry {
  readonly name: string;
  readonly folder: boolean;
}

interface IProps {
  /** The way here; empty at the top, above which nothing is shown. */
  readonly path: readonly string[];
  readonly entries: readonly IEntry[];
  /** The name of the file that was chosen. */
  readonly chosen: string | null;
  /** Why the folder that was asked for last cannot be shown. */
  readonly problem?: string;
  readonly enter: (path: readonly string[]) => void;
  readonly choose: (name: string) => void;
  readonly trans: TranslationBundle;
}

export function FolderView({ path, entries, chosen, problem, enter, choose, trans }: IProps): JSX.Element {
  return (
    <div className="jp-UWSPicker">
      <p className="jp-UWSJobs-small">/{path.join('/')}</p>
      <div role="listbox" aria-label={trans.__('Files')}>
        {path.length > 0 && (
          <button type="button" role="option" aria-selected={false} onClick={() => { enter(path.slice(0, -1)); }}>
            <folderIcon.react tag="span" /> ..
          </button>
        )}
        {entries.map(({ name, folder }) => (
          <button
            key={name}
            type="button"
            role="option"
            aria-selected={chosen === name}
            onClick={() => { if (folder) { enter([...path, name]); } else { choose(name); } }}
          >
            {folder ? <folderIcon.react tag="span" /> : <fileIcon.react tag="span" />} {name}
          </button>
        ))}
      </div>
      {problem !== undefined && (
        <p className="jp-UWS-error" role="alert">
          {problem}
        </p>
      )}
      {entries.length === 0 && <p className="jp-UWSJobs-small">{trans.__('This folder is empty.')}</p>}
    </div>
  );
}
