/**
 * The query as ADQL: live from the form, editable; recent and saved ones; the tables there are.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { JSX, useEffect, useRef, useState } from 'react';

import { messageOf } from '../errors';
import { ISearchActions } from './actions';
import { QueryError } from './api';
import type { IEditor } from './editor';
import { ISavedQuery, SearchModel } from './model';
import { pythonOf } from './query';

interface IProps {
  readonly model: SearchModel;
  readonly trans: TranslationBundle;
}

/** Milliseconds without a key until a query is looked at. */
const PAUSE = 600;

export function QueryPane({ model, actions, trans }: IProps & { actions: ISearchActions }): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<IEditor | null>(null);
  const [isLoaded, setLoaded] = useState(false);
  const [shown, setShown] = useState<'none' | 'schema' | 'saved'>('none');
  useEffect(() => {
    let isGone = false;
    void import('./editor').then(({ createEditor }) => {
      if (isGone || host.current === null) {
        return;
      }
      editor.current = createEditor(host.current, model.adql, {
        label: trans.__('Query in ADQL'),
        schema: () => model.schema,
        changed: text => {
          model.setAdql(text);
        },
        run: () => void model.run(),
        fix: word => trans.__('Write %1', word)
      });
      setLoaded(true);
    });
    return () => {
      isGone = true;
      editor.current?.dispose();
      editor.current = null;
    };
  }, [model, trans]);
  const { adql } = model;
  const { failure } = model.answer;
  useEffect(() => {
    editor.current?.setText(adql);
  }, [adql, isLoaded]);
  useEffect(() => {
    const { line, column, message } = failure ?? { line: null, column: null, message: '' };
    editor.current?.mark(line === null || column === null ? null : { line, column, message });
  }, [failure, isLoaded]);
  // what is edited is looked at while it is written: MAXREC=0 asks for no rows, only whether there would be any
  const { isEdited, remote, service } = model;
  useEffect(() => {
    if (!isEdited || remote !== null || adql.trim() === '') {
      return undefined;
    }
    const asked = new AbortController();
    const mark = (place: Parameters<IEditor['mark']>[0]): void => {
      if (!asked.signal.aborted) {
        editor.current?.mark(place);
      }
    };
    const timer = setTimeout(() => {
      service.rows(adql, 0, undefined, asked.signal).then(
        () => {
          mark(null);
        },
        (error: unknown) => {
          if (error instanceof QueryError && error.line !== null && error.column !== null) {
            mark({ line: error.line, column: error.column, message: error.message });
          }
        }
      );
    }, PAUSE);
    return () => {
      clearTimeout(timer);
      asked.abort();
    };
  }, [adql, isEdited, remote, service, isLoaded]);
  const toggle = (pane: 'schema' | 'saved'): void => {
    setShown(shown === pane ? 'none' : pane);
  };
  return (
    <section className="jp-UWSSearch-query" aria-label={trans.__('Query')}>
      <div className="jp-UWSSearch-queryHead">
        <h3>ADQL</h3>
        {model.isEdited ? (
          <>
            <span className="jp-UWSSearch-edited">{trans.__('edited by hand')}</span>
            {model.hasObscore && <button
              className="jp-UWS-link"
              onClick={() => {
                model.setAdql(null);
              }}
            >
              {trans.__('Back to the form')}
            </button>}
          </>
        ) : (
          <span className="jp-UWS-note">{trans.__('from the form')}</span>
        )}
        <span className="jp-UWS-space" />
        {!model.hasObscore && (
          <button className="jp-mod-styled jp-mod-accept" disabled={model.answer.isRunning} onClick={() => void model.run()}>
            {trans.__('Run')}
          </button>
        )}
        <button
          className="jp-UWS-link"
          aria-expanded={shown === 'saved'}
          onClick={() => {
            toggle('saved');
          }}
        >
          {trans.__('Queries')}
        </button>
        <button
          className="jp-UWS-link"
          aria-expanded={shown === 'schema'}
          onClick={() => {
            toggle('schema');
          }}
        >
          {trans.__('Tables')}
        </button>
      </div>
      <div className="jp-UWSSearch-editor" ref={host} />
      {shown === 'saved' && <Queries model={model} actions={actions} trans={trans} />}
      {shown === 'schema' && (
        <Schema
          model={model}
          trans={trans}
          insert={text => {
            editor.current?.insert(text);
          }}
        />
      )}
    </section>
  );
}

function Queries({ model, actions, trans }: IProps & { actions: ISearchActions }): JSX.Element {
  const [name, setName] = useState('');
  const [forgotten, setForgotten] = useState<ISavedQuery | null>(null);
  const { recent, saved } = model.state;
  const { service, examples } = model;
  useEffect(() => {
    void examples.load(service);
  }, [service, examples]);
  const toNotebook = (adql: string): void => {
    actions.openInNotebook(pythonOf(adql, [], model.remote?.url)).then(
      sentence => {
        actions.notify(sentence, 'success');
      },
      (error: unknown) => {
        actions.notify(messageOf(error), 'error');
      }
    );
  };
  const entry = (adql: string, title: string, forget: (() => void) | null): JSX.Element => (
    <li key={title + adql}>
      <button
        className="jp-UWS-link"
        title={adql}
        onClick={() => {
          model.setAdql(adql);
        }}
      >
        {title}
      </button>
      <button
        className="jp-UWS-link"
        aria-label={trans.__('Run: %1', title)}
        onClick={() => {
          model.setAdql(adql);
          void model.run();
        }}
      >
        {trans.__('run')}
      </button>
      <button
        className="jp-UWS-link"
        aria-label={trans.__('Open in notebook: %1', title)}
        onClick={() => {
          toNotebook(adql);
        }}
      >
        {trans.__('to notebook')}
      </button>
      {forget !== null && (
        <button className="jp-UWS-link" aria-label={trans.__('Forget "%1"', title)} onClick={forget}>
          {trans.__('forget')}
        </button>
      )}
    </li>
  );
  return (
    <div className="jp-UWSSearch-queries">
      <form
        onSubmit={event => {
          event.preventDefault();
          model.save(name.trim());
          setName('');
        }}
      >
        <input
          className="jp-mod-styled"
          aria-label={trans.__('Name of the query')}
          placeholder={trans.__('name of this query')}
          maxLength={80}
          value={name}
          onChange={event => {
            setName(event.target.value);
          }}
        />
        <button className="jp-mod-styled" disabled={name.trim() === ''}>
          {trans.__('Save')}
        </button>
      </form>
      <h4>{trans.__('Saved')}</h4>
      {saved.length === 0 && forgotten === null && <p className="jp-UWS-note">{trans.__('None yet: name the query above to keep it.')}</p>}
      <ul>
        {saved.map(query =>
          entry(query.adql, query.name, () => {
            model.forget(query.name);
            setForgotten(query);
          })
        )}
      </ul>
      {forgotten !== null && (
        <p className="jp-UWS-note" role="status">
          {trans.__('"%1" is forgotten.', forgotten.name)}{' '}
          <button
            className="jp-UWS-link"
            onClick={() => {
              model.save(forgotten.name, forgotten.adql);
              setForgotten(null);
            }}
          >
            {trans.__('Undo')}
          </button>
        </p>
      )}
      <h4>{trans.__('Recent')}</h4>
      {recent.length === 0 && <p className="jp-UWS-note">{trans.__('None yet: those that were run are kept here.')}</p>}
      <ul>{recent.map(adql => entry(adql, adql.replace(/\s+/g, ' ').replace(/^SELECT .*? FROM /, 'FROM '), null))}</ul>
      {examples.of(service).length > 0 && (
        <>
          <h4>{trans.__('Examples')}</h4>
          <ul>{examples.of(service).map(({ name: title, adql }) => entry(adql, title, null))}</ul>
        </>
      )}
    </div>
  );
}

function Schema({ model, trans, insert }: IProps & { insert: (text: string) => void }): JSX.Element {
  const [filter, setFilter] = useState('');
  const { service, tableRows, isReady } = model;
  useEffect(() => {
    if (isReady) {
      void tableRows.load(service);
    }
  }, [service, tableRows, isReady]);
  const size = (name: string): string => {
    const rows = tableRows.of(service).get(name.toLowerCase());
    return rows === undefined ? '' : trans._n('%2 row', '%2 rows', rows, rows.toLocaleString());
  };
  const wanted = filter.trim().toLowerCase();
  const tables = model.schema
    .map(table => ({
      ...table,
      columns: table.columns.filter(column =>
        `${table.name} ${column.name} ${column.ucd} ${column.description}`.toLowerCase().includes(wanted)
      )
    }))
    .filter(table => table.columns.length > 0);
  return (
    <div className="jp-UWSSearch-schema">
      <input
        className="jp-mod-styled"
        type="search"
        aria-label={trans.__('Find columns')}
        placeholder={trans.__('find: name, UCD, words of the description')}
        value={filter}
        onChange={event => {
          setFilter(event.target.value);
        }}
      />
      {tables.length === 0 && (
        <p className="jp-UWS-note" role="status">
          {wanted === '' ? trans.__('The tables are not known yet.') : trans.__('No column has this.')}
        </p>
      )}
      {tables.map(table => (
        <details key={table.name} open={wanted !== ''}>
          <summary>
            {table.name}{' '}
            <span className="jp-UWS-unit">
              {[size(table.name), trans._n('%1 column', '%1 columns', table.columns.length)].filter(part => part !== '').join(' · ')}
            </span>
          </summary>
          <ul>
            <li>
              <button
                className="jp-UWS-link"
                onClick={() => {
                  insert(table.name);
                }}
              >
                {trans.__('insert the name of the table')}
              </button>
            </li>
            {table.columns.map(column => (
              <li key={column.name}>
                <button
                  className="jp-UWS-link"
                  title={trans.__('Insert %1', column.name)}
                  onClick={() => {
                    insert(column.name);
                  }}
                >
                  {column.name}
                </button>
                <span className="jp-UWS-unit">
                  {[column.datatype, column.unit, column.ucd].filter(part => part !== '').join(' · ')}
                </span>
                <span className="jp-UWS-note">{column.description}</span>
              </li>
            ))}
          </ul>
        </details>
      ))}
    </div>
  );
}
