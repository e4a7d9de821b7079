/**
 * The archive search as a widget of JupyterLab.
 */
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { JSX } from 'react';

import { IResultsProps } from './results';
import { SearchView } from './view';

export class SearchWidget extends ReactWidget {
  constructor(private readonly _props: IResultsProps) {
    super();
    this.addClass('jp-UWSSearch');
  }

  protected render(): JSX.Element {
    return <UseSignal signal={this._props.model.changed}>{() => <SearchView {...this._props} />}</UseSignal>;
  }
}
