/**
 * The header of a FITS HDU, searchable.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import { JSX, useState } from 'react';

import { Card, Header } from '../formats/fitsheader';

export function HeaderView({ header, trans }: { header: Header; trans: TranslationBundle }): JSX.Element {
  const [wanted, setWanted] = useState('');
  const cards = header.cards.filter(card => matches(card, wanted.trim().toLowerCase()));
  return (
    <div className="jp-UWSHeader">
      <div className="jp-UWSViewer-bar">
        <input
          type="search"
          className="jp-mod-styled"
          aria-label={trans.__('Search the header')}
          placeholder={trans.__('Search the header')}
          value={wanted}
          onChange={event => {
            setWanted(event.target.value);
          }}
        />
        <span className="jp-UWSViewer-status" role="status">
          {trans._n('%1 card', '%1 cards', cards.length)}
        </span>
      </div>
      <div className="jp-UWSViewer-scroll" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{trans.__('Keyword')}</th>
              <th scope="col">{trans.__('Value')}</th>
              <th scope="col">{trans.__('Comment')}</th>
            </tr>
          </thead>
          <tbody>
            {cards.map((card, at) => (
              <tr key={at} data-type={typeof card.value}>
                <th scope="row">{card.keyword}</th>
                {card.value === undefined ? (
                  <td colSpan={2}>{card.comment}</td>
                ) : (
                  <>
                    <td>{valueText(card)}</td>
                    <td>{card.comment}</td>
                  </>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function valueText({ value }: Card): string {
  return typeof value === 'boolean' ? (value ? 'T' : 'F') : String(value ?? '');
}

function matches(card: Card, wanted: string): boolean {
  return [card.keyword, valueText(card), card.comment].some(text => text.toLowerCase().includes(wanted));
}
