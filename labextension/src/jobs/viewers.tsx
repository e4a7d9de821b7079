/**
 * How a result is shown: by its type, in the job's page or in a tab of its own.
 */
import { useCallback, useEffect, useState } from 'react';
import type { JSX } from 'react';

import { messageOf } from '../errors';
import { rangeSource } from '../formats/source';
import { viewerFor as formatViewer } from '../viewers';
import { IHost } from './host';
import { formatSize, IResult, IResultFile } from './job';

/** `full` is in a tab of its own, where there is room. */
export type Viewer = (props: { file: IResultFile; host: IHost; full: boolean }) => JSX.Element;

/** Bytes of a text that are shown inline, and in a tab. */
const INLINE = 16 * 1024;
const FULL = 1024 * 1024;

/** Content type -> its viewer; those of `../viewers` know the formats of astronomy. */
const VIEWERS = new Map<string, Viewer>([
  ['image/png', ImageViewer],
  ['image/jpeg', ImageViewer],
  ['image/gif', ImageViewer],
  ['image/webp', ImageViewer],
  // as a picture: what a script in it would do, it cannot
  ['image/svg+xml', ImageViewer],
  ['application/json', TextViewer],
  ['application/yaml', TextViewer],
  ['application/x-yaml', TextViewer],
  ['application/xml', TextViewer],
  ['text/html', PageViewer],
  ['application/xhtml+xml', PageViewer]
]);

/** The viewer of a result; null where it can only be downloaded. */
export function viewerFor(result: IResult): Viewer | null {
  const type = (result.content_type.split(';')[0] ?? '').trim().toLowerCase();
  const known = formatViewer(result.content_type, fileName(result)) ? FormatViewer : VIEWERS.get(type);
  return known ?? (type.startsWith('text/') ? TextViewer : null);
}

/** Whether a result is a notebook, which JupyterLab opens. */
export function isNotebook(result: IResult): boolean {
  return result.content_type.startsWith('application/x-ipynb+json');
}

/** Bytes up to which a result is shown without being asked for. */
const AT_ONCE = 1e7;

/** Whether a page shows the result at once: maps and tables only where there is no picture that says it at a glance. */
export function isShownAtOnce(result: IResult, all: readonly IResult[]): boolean {
  const view = viewerFor(result);
  if (view === null || (result.size ?? 0) > AT_ONCE) {
    return false;
  }
  return view !== FormatViewer || !all.some(other => viewerFor(other) === ImageViewer);
}

/** The name with its extension, which tells formats that are served as others. */
export function fileName(result: IResult): string {
  return result.path.split('/').at(-1) ?? result.name;
}

function FormatViewer({ file, host, full }: { file: IResultFile; host: IHost; full: boolean }): JSX.Element {
  const { result } = file;
  const View = formatViewer(result.content_type, fileName(result));
  const open = useCallback(() => rangeSource(file.range), [file.url]);
  return (
    <div className={full ? 'jp-UWSPage-view jp-mod-full' : 'jp-UWSPage-view'}>
      {View && <View name={fileName(result)} trans={host.trans} open={open} />}
    </div>
  );
}

function ImageViewer({ file, host, full }: { file: IResultFile; host: IHost; full: boolean }): JSX.Element {
  const [broken, setBroken] = useState(false);
  const [source, setSource] = useState<string>();
  const { result } = file;
  useEffect(() => {
    file.picture().then(setSource, () => {
      setBroken(true);
    });
  }, [file.url]);
  return broken ? (
    <p className="jp-UWSJobs-note">{host.trans.__('%1 is not a picture that can be shown.', result.name)}</p>
  ) : (
    <img
      className={full ? 'jp-UWSPage-picture jp-mod-full' : 'jp-UWSPage-picture'}
      src={source}
      alt={result.description || result.name}
      onError={() => {
        setBroken(true);
      }}
    />
  );
}

function TextViewer({ file, host, full }: { file: IResultFile; host: IHost; full: boolean }): JSX.Element {
  const size = full ? FULL : INLINE;
  const { text, error } = useText(file, size);
  const { result } = file;
  const cut = isCut(result, size);
  return (
    <>
      {error !== null && <p role="alert">{error}</p>}
      {text !== null && (
        <pre tabIndex={0} aria-label={result.name}>
          {cut ? text : pretty(result, text)}
        </pre>
      )}
      <CutNote result={result} size={size} host={host} />
    </>
  );
}

/** A page of HTML takes its pictures and its looks from itself, and nothing from anywhere; it runs no script. */
const POLICY = "default-src 'none'; img-src data:; media-src data:; font-src data:; style-src 'unsafe-inline'";
/** Bytes of a page that are shown. */
const PAGE = 5e7;

function PageViewer({ file, host, full }: { file: IResultFile; host: IHost; full: boolean }): JSX.Element {
  const { text, error } = useText(file, PAGE);
  const { result } = file;
  return (
    <div className={full ? 'jp-UWSPage-view jp-mod-full' : 'jp-UWSPage-view'}>
      {error !== null && <p role="alert">{error}</p>}
      <CutNote result={result} size={PAGE} host={host} />
      {text !== null && (
        <iframe
          className="jp-UWSPage-html"
          sandbox=""
          title={result.description || result.name}
          srcDoc={`<!DOCTYPE html><meta http-equiv="Content-Security-Policy" content="${POLICY}">${text}`}
        />
      )}
    </div>
  );
}

function isCut(result: IResult, size: number): boolean {
  return (result.size ?? 0) > size;
}

/** Says of a result that its first bytes are shown only. */
function CutNote({ result, size, host }: { result: IResult; size: number; host: IHost }): JSX.Element | null {
  return isCut(result, size) ? (
    <p className="jp-UWSJobs-note">
      {host.trans.__('The first %1 of %2.', formatSize(size), formatSize(result.size))}
    </p>
  ) : null;
}

/** The first bytes of a file as text, once they are there, or why they are not. */
function useText(file: IResultFile, size: number): { text: string | null; error: string | null } {
  const [text, setText] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    let current = true;
    // of an empty file no part can be asked for
    const read = file.result.size === 0 ? Promise.resolve('') : firstText(file, size);
    read.then(
      words => {
        if (current) {
          setText(words);
        }
      },
      (reason: unknown) => {
        setError(messageOf(reason));
      }
    );
    return () => {
      current = false;
    };
  }, [file.url, size]);
  return { text, error };
}

async function firstText(file: IResultFile, size: number): Promise<string> {
  const response = await file.range(0, size - 1);
  if (!response.ok) {
    throw new Error(`The service answered ${response.status} ${response.statusText}`);
  }
  return response.text();
}

function pretty(result: IResult, text: string): string {
  if (!result.content_type.startsWith('application/json')) {
    return text;
  }
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** A result alone, in a tab. */
export function ResultView({ file, host }: { file: IResultFile; host: IHost }): JSX.Element {
  const View = viewerFor(file.result);
  return (
    <div className="jp-UWSPage jp-UWSPage-result">
      {View ? (
        <View file={file} host={host} full={true} />
      ) : (
        <p className="jp-UWSJobs-note">{host.trans.__('%1 can only be downloaded.', file.result.name)}</p>
      )}
    </div>
  );
}
