/**
 * A file of a known format: opened, read, and shown by its parts.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import { JSX, useEffect, useState } from 'react';

import { messageOf } from '../errors';
import { FitsFile, openFits } from '../formats/fits';
import { ByteSource, gunzip, readAll } from '../formats/source';
import { Table } from '../formats/table';
import { parseCsv, parseEcsv } from '../formats/text';
import { parseVotable, Votable } from '../formats/votable';
import { FitsView } from './fitsview';
import { Format, ViewerProps } from './index';
import { Notes, TableView } from './tableview';

type Content =
  | { readonly kind: 'fits'; readonly file: FitsFile }
  | { readonly kind: 'votable'; readonly document: Votable }
  | { readonly kind: 'table'; readonly table: Table };

export default function FileView(props: ViewerProps & { readonly format: Format }): JSX.Element {
  const { open, name, format, trans, part = '' } = props;
  const [content, setContent] = useState<Content | null>(null);
  const [problem, setProblem] = useState('');

  useEffect(() => {
    let isGone = false;
    const load = async (): Promise<void> => {
      try {
        const read = await readContent(await open(), format, name);
        if (!isGone) {
          setContent(read);
          setProblem('');
        }
      } catch (error) {
        if (!isGone) {
          setProblem(messageOf(error));
        }
      }
    };
    void load();
    return () => {
      isGone = true;
    };
  }, [open, format, name]);

  if (problem !== '') {
    return (
      <div className="jp-UWSViewer-failed" role="alert">
        <strong>{trans.__('%1 cannot be shown.', name)}</strong>
        <p>{problem}</p>
      </div>
    );
  }
  if (content === null) {
    return (
      <p className="jp-UWSViewer-wait" role="status">
        {trans.__('Reading %1 …', name)}
      </p>
    );
  }
  switch (content.kind) {
    case 'fits':
      return <FitsView file={content.file} name={name} part={part} trans={trans} />;
    case 'votable':
      return <VotableView document={content.document} trans={trans} />;
    case 'table':
      return <TableView table={content.table} trans={trans} />;
  }
}

async function readContent(source: ByteSource, format: Format, name: string): Promise<Content> {
  if (format === 'fits') {
    return { kind: 'fits', file: await openFits(source) };
  }
  const bytes = await readAll(await gunzip(source));
  if (format === 'votable') {
    return { kind: 'votable', document: await parseVotable(bytes) };
  }
  const text = new TextDecoder().decode(bytes);
  const isEcsv = format === 'ecsv' || text.startsWith('# %ECSV');
  return { kind: 'table', table: await (isEcsv ? parseEcsv(text, name) : parseCsv(text, name)) };
}

function VotableView({ document, trans }: { document: Votable; trans: TranslationBundle }): JSX.Element {
  const [chosen, setChosen] = useState(0);
  const { tables, notes } = document;
  const table = tables[Math.min(chosen, tables.length - 1)];
  return (
    <div className="jp-UWSViewer">
      {tables.length > 1 && (
        <div className="jp-UWSViewer-tabs" role="tablist" aria-label={trans.__('Tables')}>
          {tables.map((each, at) => (
            <button
              key={at}
              role="tab"
              aria-selected={each === table}
              onClick={() => {
                setChosen(at);
              }}
            >
              {each.name}
            </button>
          ))}
        </div>
      )}
      <Notes notes={notes} />
      {table ? (
        <TableView key={tables.indexOf(table)} table={table} trans={trans} />
      ) : (
        <p className="jp-UWSViewer-wait">{trans.__('There is no table in this document.')}</p>
      )}
    </div>
  );
}
