/**
 * What belongs to a run: its DataLink, by semantics.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { JSX } from 'react';

import { canView } from '../viewers';
import { ISearchActions } from './actions';
import { ILink } from './api';
import { SearchModel } from './model';

export interface ILinksProps {
  readonly model: SearchModel;
  readonly actions: ISearchActions;
  readonly trans: TranslationBundle;
}

/** Bytes as people read them. */
export function formatSize(bytes: number): string {
  if (!Number.isFinite(bytes)) {
    return '';
  }
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power] ?? ''}`;
}

export function LinksView({ model, actions, trans }: ILinksProps): JSX.Element | null {
  const opened = model.opened.value;
  if (opened === null) {
    return null;
  }
  const { links } = opened;
  const of = (...semantics: string[]): ILink[] =>
    links?.filter(link => semantics.includes(link.semantics) && link.serviceDef === '') ?? [];
  const groups: readonly (readonly [string, ILink[]])[] = [
    [trans.__('Events'), of('#this')],
    [trans.__('Responses'), of('#calibration')],
    [trans.__('All in one file'), of('#package', '#bundle', '#container')]
  ];
  const grouped = new Set([...groups.flatMap(([, found]) => found), ...of('#preview', '#preview-image', '#preview-plot')]);
  const others = links?.filter(link => !grouped.has(link) && link.serviceDef === '') ?? [];
  return (
    <aside className="jp-UWSLinks" aria-label={trans.__('Links of the run %1', opened.title)}>
      <div className="jp-UWSSearch-queryHead">
        <h3>{opened.title}</h3>
        <span className="jp-UWS-space" />
        <button
          className="jp-UWS-link"
          onClick={() => {
            model.opened.close();
          }}
        >
          {trans.__('Close')}
        </button>
      </div>
      <p className="jp-UWS-note jp-UWSLinks-did">{opened.did}</p>
      {opened.error !== null && (
        <p className="jp-UWS-error" role="alert">
          {opened.error}
        </p>
      )}
      {links === null && opened.error === null && <p className="jp-UWS-note">{trans.__('Asking for the links …')}</p>}
      <div className="jp-UWSLinks-previews">
        {of('#preview', '#preview-image', '#preview-plot')
          .filter(link => link.error === '')
          .map(link => (
            <a key={link.url} href={link.url} target="_blank" rel="noreferrer">
              <img src={link.url} alt={link.description} title={link.description} loading="lazy" />
            </a>
          ))}
      </div>
      {[...groups, [trans.__('More'), others] as const].map(
        ([title, found]) =>
          found.length > 0 && (
            <section key={title}>
              <h4>{title}</h4>
              <ul>
                {found.map((link, at) => (
                  <li key={at}>
                    {link.error === '' ? (
                      <a href={link.url} download target="_blank" rel="noreferrer">
                        {link.description || link.url}
                      </a>
                    ) : (
                      <span className="jp-UWS-error">{link.error}</span>
                    )}
                    {link.error === '' && actions.view !== null && canView(link.url, link.contentType) && (
                      <button
                        className="jp-UWS-link"
                        aria-label={trans.__('View: %1', link.description || link.url)}
                        title={trans.__('Header, table or image, in a tab')}
                        onClick={() => {
                          actions.view?.(link.url, link.contentType);
                        }}
                      >
                        {trans.__('View')}
                      </button>
                    )}
                    <span className="jp-UWS-unit">
                      {[link.qualifier, link.contentType, formatSize(link.size)].filter(part => part !== '').join(' · ')}
                    </span>
                  </li>
                ))}
              </ul>
            </section>
          )
      )}
    </aside>
  );
}
