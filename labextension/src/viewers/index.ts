/**
 * The view for a file or the result of a job; loaded when it is first shown.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import { ComponentType, createElement, lazy, Suspense } from 'react';

import { ByteSource } from '../formats/source';

export type Format = 'fits' | 'votable' | 'ecsv' | 'csv';

export interface ViewerProps {
  readonly name: string;
  readonly trans: TranslationBundle;
  /** The HDU of a FITS file that is shown first, by its name; without it the first that holds data. */
  readonly part?: string;
  /** Opens the file; called once for each time the component is mounted or this function is another. */
  readonly open: () => Promise<ByteSource>;
}

const EXTENSIONS: readonly [RegExp, Format][] = [
  [/\.(fits|fit|fts|oifits)(\.gz)?$/i, 'fits'],
  [/\.(vot|votable)(\.gz)?$/i, 'votable'],
  [/\.ecsv$/i, 'ecsv'],
  [/\.(csv|tsv)$/i, 'csv']
];

const TYPES: readonly [RegExp, Format][] = [
  [/^(application|image)\/(x-)?(fits|oifits)\b/i, 'fits'],
  [/^(application\/x-votable\+xml|text\/xml;.*votable)/i, 'votable'],
  [/^(application|text)\/(x-)?ecsv\b|\becsv\b/i, 'ecsv'],
  [/^text\/(csv|tab-separated-values)\b/i, 'csv']
];

/** What a file holds by its media type (which may be '') and name; null: none of these formats. */
export function formatOf(mime: string, name: string): Format | null {
  const byName = EXTENSIONS.find(([pattern]) => pattern.test(name))?.[1];
  const byType = TYPES.find(([pattern]) => pattern.test(mime))?.[1];
  // an ECSV file is often served as CSV or plain text
  return byName ?? byType ?? null;
}

/** A React component that shows such a file, or null where there is none for it. */
export function viewerFor(mime: string, name: string): ComponentType<ViewerProps> | null {
  const format = formatOf(mime, name);
  return format && VIEWERS[format];
}

/** The name of the file that a URL leads to. */
export function nameOf(url: string): string {
  const path = url.replace(/[?#].*$/s, '');
  return unquoted(path.slice(path.lastIndexOf('/') + 1));
}

/** The part of the file that is meant; '' where it is the whole. */
export function partOf(url: string): string {
  const at = url.indexOf('#');
  return at < 0 ? '' : unquoted(url.slice(at + 1));
}

function unquoted(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Whether the file can be shown here: one of a known format, behind the Jupyter server that this page is from. */
export function canView(url: string, mime: string, origin = window.location.origin): boolean {
  return URL.canParse(url, origin) && new URL(url, origin).origin === origin && viewerFor(mime, nameOf(url)) !== null;
}

const FileView = lazy(() => import('./fileview'));

function viewer(format: Format): ComponentType<ViewerProps> {
  const Viewer = (props: ViewerProps): ReturnType<typeof createElement> =>
    createElement(Suspense, { fallback: null }, createElement(FileView, { ...props, format }));
  return Viewer;
}

/** Made once: a component made anew would lose its state at each drawing. */
const VIEWERS: Readonly<Record<Format, ComponentType<ViewerProps>>> = {
  fits: viewer('fits'),
  votable: viewer('votable'),
  ecsv: viewer('ecsv'),
  csv: viewer('csv')
};
