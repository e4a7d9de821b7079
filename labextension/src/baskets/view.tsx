/**
 * The list of baskets: put the selection into one, open, rename, delete.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { UseSignal } from '@jupyterlab/ui-components';
import { JSX, useState } from 'react';

import { Baskets } from './model';

export interface IBasketsProps {
  readonly baskets: Baskets;
  /** The selected runs. */
  readonly dids: readonly string[];
  readonly open: (name: string, dids: readonly string[]) => void;
  /** Ask before something is lost. */
  readonly confirm: (title: string, words: string, action: string) => Promise<boolean>;
  readonly trans: TranslationBundle;
}

export function BasketsView(props: IBasketsProps): JSX.Element {
  return <UseSignal signal={props.baskets.changed}>{() => <List {...props} />}</UseSignal>;
}

function List({ baskets, dids, open, confirm, trans }: IBasketsProps): JSX.Element {
  const [name, setName] = useState('');
  const [renamed, setRenamed] = useState<{ from: string; to: string } | null>(null);
  const remove = async (basket: string): Promise<void> => {
    const words = trans.__('The basket "%1" is deleted for good; the runs themselves stay in the archive.', basket);
    if (await confirm(trans.__('Delete basket?'), words, trans.__('Delete'))) {
      await baskets.delete(basket);
    }
  };
  return (
    <section className="jp-UWSBaskets" aria-label={trans.__('Baskets')}>
      <form
        onSubmit={event => {
          event.preventDefault();
          void baskets.add(name.trim(), dids).then(() => {
            setName('');
          });
        }}
      >
        <input
          className="jp-mod-styled"
          aria-label={trans.__('Name of the basket')}
          placeholder={trans.__('name of the basket')}
          value={name}
          maxLength={100}
          onChange={event => {
            setName(event.target.value);
          }}
        />
        <button className="jp-mod-styled jp-mod-accept" disabled={name.trim() === '' || dids.length === 0}>
          {trans._n('Add %1 run', 'Add %1 runs', dids.length)}
        </button>
      </form>
      {baskets.error !== null && (
        <p className="jp-UWS-error" role="alert">
          {baskets.error}
        </p>
      )}
      {baskets.entries.length === 0 && baskets.error === null && (
        <p className="jp-UWS-note">{trans.__('No baskets yet: select rows, name a basket, and add them.')}</p>
      )}
      <ul>
        {baskets.entries.map(basket => (
          <li key={basket.name}>
            {renamed?.from === basket.name ? (
              <form
                onSubmit={event => {
                  event.preventDefault();
                  setRenamed(null);
                  void baskets.rename(renamed.from, renamed.to.trim());
                }}
              >
                <input
                  className="jp-mod-styled"
                  aria-label={trans.__('New name')}
                  autoFocus
                  value={renamed.to}
                  onChange={event => {
                    setRenamed({ ...renamed, to: event.target.value });
                  }}
                />
                <button className="jp-mod-styled">{trans.__('Rename')}</button>
              </form>
            ) : (
              <>
                <button
                  className="jp-UWS-link jp-UWSBaskets-name"
                  title={trans.__('Show the runs of "%1"', basket.name)}
                  onClick={() => {
                    void baskets.open(basket.name).then(runs => {
                      if (runs !== null) {
                        open(basket.name, runs);
                      }
                    });
                  }}
                >
                  {basket.name}
                </button>
                <span className="jp-UWS-note">{trans._n('%1 run', '%1 runs', basket.count)}</span>
                <button
                  className="jp-UWS-link"
                  aria-label={trans.__('Add the selection to "%1"', basket.name)}
                  disabled={dids.length === 0}
                  onClick={() => void baskets.add(basket.name, dids)}
                >
                  {trans.__('add')}
                </button>
                <button
                  className="jp-UWS-link"
                  aria-label={trans.__('Rename "%1"', basket.name)}
                  onClick={() => {
                    setRenamed({ from: basket.name, to: basket.name });
                  }}
                >
                  {trans.__('rename')}
                </button>
                <button
                  className="jp-UWS-link"
                  aria-label={trans.__('Delete "%1"', basket.name)}
                  onClick={() => void remove(basket.name)}
                >
                  {trans.__('delete')}
                </button>
              </>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
