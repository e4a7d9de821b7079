/**
 * The archive search as a whole: form, query, results, and what to say where these are not to be had.
 */
import { JSX } from 'react';

import { headline } from '../http';
import { SearchFormView, ServiceChoice } from './form';
import { QueryPane } from './querypane';
import { IResultsProps, ResultsView } from './results';

export function SearchView(props: IResultsProps): JSX.Element {
  const { model, trans } = props;
  const { answer, unreachable } = model;
  const { failure } = answer;
  return (
    <div className="jp-UWSSearch-panes">
      <div className="jp-UWSSearch-side">
        <ServiceChoice model={model} trans={trans} />
        {unreachable !== null && (
          <div className="jp-UWSSearch-failure" role="alert">
            <strong>{headline(unreachable, trans)}</strong>
            <p>{unreachable}</p>
            <button className="jp-mod-styled jp-mod-accept" onClick={() => void model.load()}>
              {trans.__('Try again')}
            </button>
          </div>
        )}
        <SearchFormView model={model} trans={trans} />
      </div>
      <div className="jp-UWSSearch-main">
        <QueryPane model={model} actions={props.actions} trans={trans} />
        {failure !== null && (
          <div className="jp-UWSSearch-failure" role="alert">
            <strong>{failure.isQuery ? trans.__('The query is not understood.') : headline(failure.message, trans)}</strong>
            <p>{failure.message}</p>
            {!failure.isQuery && (
              <button className="jp-mod-styled jp-mod-accept" onClick={() => void model.run()}>
                {trans.__('Try again')}
              </button>
            )}
          </div>
        )}
        {answer.isRunning && (
          <p className="jp-UWS-note" role="status">
            {answer.expected !== null
              ? trans.__('Reading rows … %1 of %2', answer.progress.toLocaleString(), answer.expected.toLocaleString())
              : answer.progress > 0
                ? trans.__('Reading rows … %1', answer.progress.toLocaleString())
                : trans.__('Asking the archive …')}
          </p>
        )}
        {answer.result === null && failure === null && !answer.isRunning && (
          <p className="jp-UWSSearch-none">
            {trans.__('Name a target and press Search. Without one, all runs of the archive are found.')}
          </p>
        )}
        <ResultsView {...props} />
      </div>
    </div>
  );
}
