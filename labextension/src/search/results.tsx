/**
 * The results: how many there are, what can be done with the selected ones, and grid, sky and charts beside each other.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { UseSignal } from '@jupyterlab/ui-components';
import { JSX, useCallback, useMemo, useState } from 'react';

import { Baskets } from '../baskets/model';
import { BasketsView } from '../baskets/view';
import { messageOf } from '../errors';
import { CoverageChart } from '../grid/chart';
import { IIntervals } from '../grid/coverage';
import { Rows } from '../grid/rows';
import { Table } from '../grid/table';
import { GridView } from '../grid/view';
import { save } from '../save';
import { SkyView } from '../sky/view';
import { ISearchActions } from './actions';
import { IResult } from './answer';
import { LinksView } from './links';
import { MOST_ROWS, SearchModel } from './model';
import { HC_TEV_M, named, pythonOf, selectionQuery, Then } from './query';
import { formatTime } from './times';

export interface IResultsProps {
  readonly model: SearchModel;
  readonly baskets: Baskets;
  readonly actions: ISearchActions;
  readonly trans: TranslationBundle;
}

export function ResultsView(props: IResultsProps): JSX.Element | null {
  const { model, actions, trans } = props;
  const { result, failure } = model.answer;
  const open = useCallback((row: number) => void model.open(row), [model]);
  const intervals = useMemo(() => (result === null ? null : chartsOf(result.table)), [result]);
  // beside what is wrong with a query, that the one before it found nothing would be taken for its answer
  if (result === null || (result.table.rowCount === 0 && failure !== null)) {
    return null;
  }
  const { table, cones } = result;
  const { selection } = model.rows;
  const hasSky = table.numbers('s_ra') !== null && table.numbers('s_dec') !== null;
  return (
    <section className="jp-UWSSearch-results" aria-label={trans.__('Results')}>
      <Summary result={result} model={model} trans={trans} />
      {table.rowCount > 0 && (
        <>
          <UseSignal signal={selection.changed}>{() => <Selected {...props} />}</UseSignal>
          <UseSignal signal={model.rows.changed}>{() => <Arrangement rows={model.rows} trans={trans} />}</UseSignal>
          <div className="jp-UWSSearch-views">
            <div className="jp-UWSSearch-grid">
              <GridView rows={model.rows} label={trans.__('Rows: arrows move, space marks, Enter opens')} open={open} />
              <LinksView model={model} actions={actions} trans={trans} />
            </div>
            {(hasSky || (intervals?.time ?? intervals?.energy)) && (
              <div className="jp-UWSSearch-plots">
                {hasSky && <SkyView table={table} cones={cones} selection={selection} survey={actions.survey} trans={trans} />}
                {intervals?.time && (
                  <CoverageChart
                    intervals={intervals.time}
                    selection={selection}
                    title={trans.__('Runs over time (UTC)')}
                    label={dateOf}
                  />
                )}
                {intervals?.energy && (
                  <CoverageChart
                    intervals={intervals.energy}
                    selection={selection}
                    title={trans.__('Runs over energy (TeV)')}
                    label={energyOf}
                  />
                )}
              </div>
            )}
          </div>
        </>
      )}
    </section>
  );
}

function Summary({ result, model, trans }: { result: IResult } & Omit<IResultsProps, 'baskets' | 'actions'>): JSX.Element {
  const { table, overflow, total } = result;
  const count = table.rowCount.toLocaleString();
  if (table.rowCount === 0) {
    return (
      <p className="jp-UWSSearch-none" role="status">
        {model.isEmpty
          ? trans.__('This archive is empty. Its operator adds a data store with: jupyter uws archive add DIR')
          : trans.__('No rows. Try a larger radius, a longer time, or any product.')}
      </p>
    );
  }
  return (
    <p className={overflow ? 'jp-UWSSearch-total jp-mod-overflow' : 'jp-UWSSearch-total'} role="status">
      {!overflow && <strong>{trans._n('%2 row, all there are', '%2 rows, all there are', table.rowCount, count)}</strong>}
      {overflow && (
        <>
          <strong>
            {total === null
              ? trans.__('%1 rows, and there are more', count)
              : trans.__('%1 of %2 rows', count, total.toLocaleString())}
          </strong>{' '}
          {table.rowCount < MOST_ROWS && (
            <button className="jp-mod-styled" onClick={() => void model.runAll()}>
              {total === null || total > MOST_ROWS
                ? trans.__('Get the first %1', MOST_ROWS.toLocaleString())
                : trans.__('Get all')}
            </button>
          )}
        </>
      )}
    </p>
  );
}

const FILES = [
  ['votable', 'vot', 'VOTable'],
  ['csv', 'csv', 'CSV'],
  ['fits', 'fits', 'FITS']
] as const;

/** What can be done with the selection; without one, with all rows. */
function Selected({ model, baskets, actions, trans }: IResultsProps): JSX.Element {
  const [showsBaskets, setBaskets] = useState(false);
  const { selection } = model.rows;
  const dids = (): string[] => model.selectedDids(); // asked for when they are used: there may be a million
  const adql = model.answer.result?.adql ?? '';
  const all = selection.count === 0 || selection.count === model.rows.table?.rowCount;
  const query = (): string => (all ? adql : selectionQuery(dids()));
  const python = (then?: Then): string => pythonOf(adql, all ? [] : dids(), model.remote?.url, model.rows.table?.rowCount, then);
  // also of what is thrown before there is a promise
  const inform = (act: () => Promise<string | null> | string | null): void => {
    Promise.resolve().then(act).then(
      sentence => {
        if (sentence !== null) {
          actions.notify(sentence, 'success');
        }
      },
      (error: unknown) => {
        actions.notify(messageOf(error), 'error');
      }
    );
  };
  const download = async (format: string, extension: string): Promise<null> => {
    save(await model.service.file(query(), format), `observations.${extension}`);
    return null;
  };
  const copy = (what: string): string => {
    actions.copy(what === 'adql' ? query() : python());
    return trans.__('Copied');
  };
  return (
    <>
      <div className="jp-UWSSearch-actions" role="toolbar" aria-label={trans.__('Selection')}>
        <span role="status">
          {selection.count === 0 ? trans.__('nothing selected') : trans.__('%1 selected', selection.count.toLocaleString())}
        </span>
        {selection.count > 0 && (
          <button
            className="jp-UWS-link"
            onClick={() => {
              selection.clear();
            }}
          >
            {trans.__('clear')}
          </button>
        )}
        {actions.newJob !== null && model.remote === null && (
          <button
            className="jp-mod-styled"
            disabled={selection.count === 0 || model.rows.table?.texts('obs_publisher_did') === null}
            onClick={() => {
              inform(() => {
                const [cone, ...others] = model.answer.result?.cones ?? [];
                const position = cone && others.length === 0 ? { position: { ra: cone.ra, dec: cone.dec } } : {};
                actions.newJob?.({ obs_ids: named(dids()), ...position });
                return null;
              });
            }}
          >
            {trans.__('New job')}
          </button>
        )}
        <button
          className="jp-mod-styled"
          onClick={() => {
            inform(() => actions.openInNotebook(python()));
          }}
        >
          {trans.__('Open in notebook')}
        </button>
        {model.remote === null && (
          <button
            className="jp-mod-styled"
            aria-expanded={showsBaskets}
            onClick={() => {
              setBaskets(!showsBaskets);
              void baskets.load();
            }}
          >
            {trans.__('Baskets')}
          </button>
        )}
        <label className="jp-UWSSearch-menu">
          <span className="jp-UWS-hidden">{trans.__('Copy, download or send')}</span>
          <select
            className="jp-mod-styled"
            value=""
            onChange={event => {
              const file = FILES.find(([format]) => format === event.target.value);
              const what = event.target.value;
              if (file !== undefined) {
                inform(() => download(file[0], file[1]));
              } else if (what === 'store' || what === 'samp') {
                inform(() => actions.openInNotebook(python(what)));
              } else {
                inform(() => copy(what));
              }
            }}
          >
            <option value="" disabled>
              {trans.__('Copy, download, send …')}
            </option>
            {model.remote === null && <option value="store">{trans.__('In notebook: fetch the files, as DataStore of gammapy')}</option>}
            <option value="samp">{trans.__('In notebook: send to TOPCAT, Aladin (SAMP)')}</option>
            <option value="adql">{trans.__('Copy ADQL')}</option>
            <option value="python">{trans.__('Copy as Python')}</option>
            {FILES.map(([format, , name]) => (
              <option key={format} value={format}>
                {trans.__('Download as %1', name)}
              </option>
            ))}
          </select>
        </label>
      </div>
      {showsBaskets && model.remote === null && (
        <BasketsView
          baskets={baskets}
          dids={dids()}
          confirm={actions.confirm}
          trans={trans}
          open={(_, runs) => {
            if (runs.length > 0) {
              model.setAdql(selectionQuery(runs));
              void model.run();
            }
          }}
        />
      )}
    </>
  );
}

/** Filter, formats and columns. */
function Arrangement({ rows, trans }: { rows: Rows; trans: IResultsProps['trans'] }): JSX.Element {
  const { formats, hidden, table } = rows;
  const format = (name: 'sexagesimal' | 'dates' | 'energies', label: string): JSX.Element => (
    <label>
      <input
        type="checkbox"
        checked={formats[name]}
        onChange={() => {
          rows.setFormats({ [name]: !formats[name] });
        }}
      />
      {label}
    </label>
  );
  return (
    <div className="jp-UWSSearch-arrangement">
      <input
        className="jp-mod-styled"
        type="search"
        aria-label={trans.__('Filter the rows')}
        placeholder={trans.__('filter: crab, t_exptime > 1000')}
        aria-invalid={rows.filterError !== null}
        value={rows.filter}
        onChange={event => {
          rows.setFilter(event.target.value);
        }}
      />
      {rows.filterError !== null && (
        <span className="jp-UWS-error" role="alert">
          {rows.filterError}
        </span>
      )}
      {rows.filterError === null && rows.filter.trim() !== '' && (
        <span role="status">{trans.__('%1 of %2', rows.order.length.toLocaleString(), (table?.rowCount ?? 0).toLocaleString())}</span>
      )}
      {format('dates', trans.__('dates'))}
      {format('energies', trans.__('TeV'))}
      {format('sexagesimal', trans.__('hms'))}
      <details className="jp-UWSSearch-columns">
        <summary>{trans.__('Columns')}</summary>
        <div>
          {table?.columns.map(({ field }) => (
            <label key={field.name} title={[field.unit, field.ucd, field.description].filter(part => part !== '').join(' · ')}>
              <input
                type="checkbox"
                checked={!hidden.has(field.name)}
                onChange={() => {
                  rows.toggleColumn(field.name);
                }}
              />
              {field.name}
            </label>
          ))}
        </div>
      </details>
    </div>
  );
}

function dateOf(mjd: number, step: number): string {
  const time = formatTime(mjd, 'utc');
  return step < 1 ? time.slice(5, 16).replace('T', ' ') : time.slice(0, 10);
}

function energyOf(logarithm: number): string {
  const energy = 10 ** logarithm;
  return String(Number(energy.toPrecision(2)));
}

function chartsOf(table: Table): { time: IIntervals | null; energy: IIntervals | null } {
  const count = table.rowCount;
  const [start, stop] = [table.numbers('t_min'), table.numbers('t_max')];
  const [shortest, longest] = [table.numbers('em_min'), table.numbers('em_max')];
  const logarithm = (wavelengths: Float64Array): Float64Array => wavelengths.map(value => Math.log10(HC_TEV_M / value));
  return {
    time: start && stop && { low: start, high: stop, count },
    energy: shortest && longest && { low: logarithm(longest), high: logarithm(shortest), count }
  };
}
