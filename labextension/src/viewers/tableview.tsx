/**
 * A table: its grid, sorted and filtered, and what its columns are.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import { JSX, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';

import { messageOf } from '../errors';
import { isNumeric, Note, Table } from '../formats/table';
import { attachGrid, TableModel } from './grid';
import { arrange, Filter, parseFilter, Sorting } from './rows';

/** Milliseconds after the last key before a filter is applied. */
const TYPING = 300;

export function TableView({ table, trans }: { table: Table; trans: TranslationBundle }): JSX.Element {
  const model = useMemo(() => new TableModel(table), [table]);
  const host = useRef<HTMLDivElement>(null);
  const [sorting, setSorting] = useState<Sorting | null>(null);
  const [filter, setFilter] = useState<Filter>({ column: 0, text: '' });
  const [shown, setShown] = useState(table.rows);
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');
  const [info, setInfo] = useState(false);
  const column = table.columns[filter.column];
  const isFilter = column === undefined || filter.text.trim() === '' || parseFilter(filter.text, column) !== null;

  // not useEffect: Lumino must let go of its node before React takes it out of the page
  useLayoutEffect(() => {
    let detach: (() => void) | null = null;
    let isGone = false;
    const attach = (): void => {
      if (host.current && !isGone) {
        detach = attachGrid(host.current, model, clicked => {
          setSorting(before => nextSorting(before, clicked));
        });
      }
    };
    // the first rows tell how wide the columns are
    table.load(0, 30).then(attach, (error: unknown) => {
      setProblem(messageOf(error));
    });
    return () => {
      isGone = true;
      detach?.();
    };
  }, [model, table]);

  useEffect(() => {
    let isOver = false;
    const apply = async (): Promise<void> => {
      setBusy(true);
      try {
        const rows = await arrange(table, sorting, filter, () => isOver);
        // a later effect may have taken over meanwhile
        if (!isOver) {
          model.arrange(rows, sorting);
          setShown(rows?.length ?? table.rows);
          setProblem('');
        }
      } catch (error) {
        setProblem(messageOf(error));
      } finally {
        if (!isOver) {
          setBusy(false);
        }
      }
    };
    const timer = setTimeout(() => void apply(), filter.text === '' ? 0 : TYPING);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [model, table, sorting, filter]);

  if (table.columns.length === 0) {
    return <Notes notes={table.notes} />;
  }
  return (
    <div className="jp-UWSTable">
      <div className="jp-UWSViewer-bar" role="toolbar" aria-label={trans.__('Table')}>
        <select
          aria-label={trans.__('Column to filter')}
          className="jp-mod-styled"
          value={filter.column}
          onChange={event => {
            setFilter({ ...filter, column: Number(event.target.value) });
          }}
        >
          {table.columns.map((each, at) => (
            <option key={at} value={at}>
              {each.name}
            </option>
          ))}
        </select>
        <input
          type="search"
          className="jp-mod-styled"
          aria-label={trans.__('Filter')}
          aria-invalid={!isFilter}
          placeholder={column && isNumeric(column) ? trans.__('> 1, 2..3, = 4') : trans.__('part of the text')}
          value={filter.text}
          onChange={event => {
            setFilter({ ...filter, text: event.target.value });
          }}
        />
        <button
          className="jp-mod-styled"
          aria-pressed={info}
          onClick={() => {
            setInfo(!info);
          }}
        >
          {trans.__('Columns')}
        </button>
        <span className="jp-UWSViewer-status" role="status">
          {isBusy && (filter.text !== '' || sorting !== null)
            ? trans.__('Working …')
            : shown === table.rows
              ? trans._n('%2 row', '%2 rows', table.rows, table.rows.toLocaleString())
              : trans.__('%1 of %2 rows', shown.toLocaleString(), table.rows.toLocaleString())}
        </span>
      </div>
      {!isFilter && (
        <p className="jp-UWSViewer-problem">{trans.__('A filter of numbers is like: > 1.5, <= 3, 2..3, = 4, != 0')}</p>
      )}
      {problem !== '' && (
        <p className="jp-UWSViewer-problem" role="alert">
          {problem}
        </p>
      )}
      <Notes notes={table.notes} description={table.description} />
      {info && <ColumnInfo table={table} trans={trans} />}
      <div className="jp-UWSTable-grid" ref={host} role="region" aria-label={table.name} />
    </div>
  );
}

/** Up, down, as in the file. */
function nextSorting(before: Sorting | null, column: number): Sorting | null {
  if (before?.column !== column) {
    return { column, descending: false };
  }
  return before.descending ? null : { column, descending: true };
}

function ColumnInfo({ table, trans }: { table: Table; trans: TranslationBundle }): JSX.Element {
  return (
    <div className="jp-UWSViewer-scroll jp-UWSTable-info">
      <table>
        <thead>
          <tr>
            {[trans.__('Name'), trans.__('Type'), trans.__('Unit'), 'UCD', trans.__('Description')].map(title => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.columns.map((column, at) => (
            <tr key={at}>
              <th scope="row">{column.name}</th>
              <td>{column.shape ? `${column.type} [${column.shape}]` : column.type}</td>
              <td>{column.unit}</td>
              <td>{column.ucd}</td>
              <td>{column.description}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** What a file says of itself: warnings and errors at once, the rest folded. */
export function Notes({ notes, description = '' }: { notes: readonly Note[]; description?: string }): JSX.Element | null {
  const loud = notes.filter(note => note.level !== 'info');
  const quiet = notes.filter(note => note.level === 'info');
  if (notes.length === 0 && description === '') {
    return null;
  }
  return (
    <div className="jp-UWSViewer-notes">
      {loud.map((note, at) => (
        <p key={at} data-level={note.level} role="alert">
          <strong>{note.name}</strong> {note.text}
        </p>
      ))}
      {description !== '' && <p>{description}</p>}
      {quiet.length > 0 && (
        <details>
          <summary>{quiet.length === 1 ? quiet[0]?.name : `${quiet[0]?.name ?? ''} … (${quiet.length})`}</summary>
          <dl>
            {quiet.map((note, at) => (
              <div key={at}>
                <dt>{note.name}</dt>
                <dd>{note.text}</dd>
              </div>
            ))}
          </dl>
        </details>
      )}
    </div>
  );
}
