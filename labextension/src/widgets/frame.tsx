/**
 * A widget in a cell: its page, the way back, its code, and what needs a word.
 */
import { UseSignal } from '@jupyterlab/ui-components';
import type { JSX } from 'react';
import { createRoot } from 'react-dom/client';

import { messageOf } from '../errors';
import { Button } from '../jobs/parts';
import { save } from '../save';
import { Desk, IPage, Place } from './desk';
import { Picker } from './picker';
import { IModel } from './transport';

function Frame({ desk }: { desk: Desk }): JSX.Element {
  const { page, standstill, trouble, asked, picking, host, transport } = desk;
  const { trans } = host;
  // the page of an exported notebook has no kernel; Python has escaped what is not its own
  const saved = desk.model.get('_still');
  const still = transport.silent && !transport.heard && typeof saved === 'string' ? saved : '';
  return (
    <>
      <div className="jp-UWSWidget-bar">
        {desk.hasMore && <Button act={() => { desk.back(); }}>{trans.__('Back')}</Button>}
        <span className="jp-UWSPage-space" />
        {page?.changed ? <UseSignal signal={page.changed}>{() => <Code desk={desk} />}</UseSignal> : <Code desk={desk} />}
      </div>
      {transport.silent && (
        <div className="jp-UWSJobs-trouble" role="alert">
          <p>
            {trans.__(
              'The kernel does not answer. While it runs a cell, it may come to this later; after a restart, run the cell of the widget again.'
            )}
          </p>
          <Button act={() => { transport.again(); }}>{trans.__('Ask again')}</Button>
        </div>
      )}
      {standstill !== null && (
        <div className="jp-UWSJobs-trouble" role="alert">
          <p>{standstill}</p>
        </div>
      )}
      {trouble !== null && (
        <div className="jp-UWSJobs-trouble" role="alert">
          <p>{trouble}</p>
          <Button act={() => { desk.complain(null); }}>{trans.__('Dismiss')}</Button>
        </div>
      )}
      {asked && (
        <div className="jp-UWSJobs-trouble" role="alertdialog" aria-label={asked.title}>
          <strong>{asked.title}</strong>
          <p>{asked.body}</p>
          <Button kind="warn" act={() => { asked.answer(true); }}>{asked.accept}</Button>
          <Button act={() => { asked.answer(false); }}>{trans.__('Cancel')}</Button>
        </div>
      )}
      {picking && <Picker desk={desk} picking={picking} />}
      {still !== '' && (
        <div className="jp-UWSWidget-still">
          <p className="jp-UWSJobs-note">{trans.__('What it showed when its cell was run:')}</p>
          <div dangerouslySetInnerHTML={{ __html: still }} />
        </div>
      )}
      {page && still === '' && <div className={`jp-UWSWidget-page jp-mod-${page.kind}`}>{page.view}</div>}
    </>
  );
}

/** What the page does as Python, for a cell of one's own. */
function Code({ desk }: { desk: Desk }): JSX.Element {
  const { code, host } = desk;
  const { trans } = host;
  return (
    <>
      {code !== null && <Button act={() => { desk.copy(code); }}>{trans.__('Copy')}</Button>}
      <Button act={() => { if (code === null) { desk.showCode(); } else { desk.hideCode(); } }}>
        {code === null ? trans.__('Show code') : trans.__('Hide code')}
      </Button>
      {code !== null && (
        <pre className="jp-UWSWidget-code" tabIndex={0} aria-label={trans.__('Code')}>
          {code.trimEnd()}
        </pre>
      )}
    </>
  );
}

interface IView {
  readonly model: IModel;
  readonly el: HTMLElement;
}

/** An anywidget front-end module: one desk for a widget, and a frame in each place where it is shown. */
export function widget(make: (desk: Desk, place: Place) => IPage): () => object {
  return () => {
    let desk: Desk | null = null;
    return {
      initialize: ({ model }: IView) => {
        const made = (desk = new Desk(model, make));
        return () => {
          made.dispose();
        };
      },
      render: ({ el }: IView) => {
        const shown = desk;
        if (shown === null) {
          return undefined;
        }
        el.classList.add('jp-UWSWidget');
        // the keys are the widget's, and not the notebook's
        el.dataset.lmSuppressShortcuts = 'true';
        const follow = (event: MouseEvent): void => {
          fetchLink(shown, event);
        };
        el.addEventListener('click', follow);
        const root = createRoot(el);
        root.render(<UseSignal signal={shown.changed}>{() => <Frame desk={shown} />}</UseSignal>);
        shown.seen(1);
        return () => {
          shown.seen(-1);
          el.removeEventListener('click', follow);
          root.unmount();
        };
      }
    };
  };
}

/** A link to something of the service: only the kernel can fetch it. */
function fetchLink(desk: Desk, event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  const address = link?.getAttribute('href') ?? '';
  if (!link || !desk.transport.isOwn(address)) {
    return;
  }
  event.preventDefault();
  const name = link.download || (address.split('?')[0] ?? '').split('/').at(-1) || 'file';
  desk.transport.file(address).then(
    blob => {
      save(blob, decodeURIComponent(name));
    },
    (error: unknown) => {
      desk.complain(messageOf(error));
    }
  );
}
