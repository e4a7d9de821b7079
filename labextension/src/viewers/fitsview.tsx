/**
 * A FITS file: its HDUs to choose from, and of each the data and the header.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import { JSX, useMemo, useState } from 'react';

import { messageOf } from '../errors';
import { FitsFile, Hdu, OIFITS } from '../formats/fits';
import { openTable } from '../formats/fitstable';
import { HeaderView } from './headerview';
import { ImageView } from './imageview';
import { TableView } from './tableview';

interface Props {
  readonly file: FitsFile;
  readonly name: string;
  readonly trans: TranslationBundle;
}

export function FitsView({ file, name, part, trans }: Props & { part: string }): JSX.Element {
  const named = part === '' ? undefined : file.hdus.find(hdu => hdu.name.toLowerCase() === part.toLowerCase());
  // what is empty, often the primary HDU, is not what a file is opened for
  const first = named ?? file.hdus.find(hdu => hdu.kind !== 'empty' && hdu.kind !== 'other') ?? file.hdus[0];
  const [chosen, setChosen] = useState(first?.index ?? 0);
  const [isHeader, setHeader] = useState(false);
  const hdu = file.hdus[chosen] ?? first;
  const hasData = hdu !== undefined && hdu.kind !== 'empty' && hdu.kind !== 'other';
  return (
    <div className="jp-UWSViewer">
      <div className="jp-UWSViewer-bar jp-UWSFits-hdus">
        <select
          className="jp-mod-styled"
          aria-label={trans.__('HDU')}
          value={chosen}
          onChange={event => {
            setChosen(Number(event.target.value));
          }}
        >
          {file.hdus.map(each => (
            <option key={each.index} value={each.index}>
              {label(each, trans)}
            </option>
          ))}
        </select>
        <div className="jp-UWSViewer-tabs" role="tablist" aria-label={trans.__('Part of the HDU')}>
          {[false, true].map(header => (
            <button
              key={String(header)}
              role="tab"
              aria-selected={(isHeader || !hasData) === header}
              disabled={!header && !hasData}
              onClick={() => {
                setHeader(header);
              }}
            >
              {header ? trans.__('Header') : hdu && isTable(hdu) ? trans.__('Table') : trans.__('Image')}
            </button>
          ))}
        </div>
      </div>
      {file.problem !== null && (
        <p className="jp-UWSViewer-problem" role="alert">
          {file.problem}
        </p>
      )}
      {hdu &&
        (isHeader || !hasData ? (
          <HeaderView key={hdu.index} header={hdu.header} trans={trans} />
        ) : (
          <Data key={hdu.index} file={file} hdu={hdu} name={name} trans={trans} />
        ))}
    </div>
  );
}

function label(hdu: Hdu, trans: TranslationBundle): string {
  const rows = hdu.shape[1] ?? 0;
  const size = isTable(hdu) ? trans._n('%2 row', '%2 rows', rows, rows.toLocaleString()) : hdu.shape.join(' × ');
  const parts = [OIFITS[hdu.name] ?? kindOf(hdu, trans), size].filter(Boolean);
  return `${hdu.index} ${hdu.name} — ${parts.join(', ')}`;
}

function kindOf(hdu: Hdu, trans: TranslationBundle): string {
  switch (hdu.kind) {
    case 'image':
    case 'compressed':
      return trans.__('image');
    case 'bintable':
    case 'asciitable':
      return trans.__('table');
    case 'empty':
      return trans.__('no data');
    case 'other':
      return trans.__('not shown');
  }
}

function isTable(hdu: Hdu): boolean {
  return hdu.kind === 'bintable' || hdu.kind === 'asciitable';
}

function Data({ file, hdu, name, trans }: Props & { hdu: Hdu }): JSX.Element {
  const opened = useMemo(() => {
    try {
      return isTable(hdu) ? openTable(file.source, hdu) : null;
    } catch (error) {
      return messageOf(error);
    }
  }, [file, hdu]);
  if (typeof opened === 'string') {
    return (
      <p className="jp-UWSViewer-problem" role="alert">
        {opened}
      </p>
    );
  }
  return opened ? (
    <TableView table={opened} trans={trans} />
  ) : (
    <ImageView file={file} hdu={hdu} name={name} trans={trans} />
  );
}
