/**
 * Requests to the service behind the Jupyter server.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

/**
 * The URL of a page of the service; each part of the path is quoted.
 *
 * URLs are made from the page's own base URL and not from the links in the service's documents:
 * behind a proxy that hides its scheme or host, those lead to another origin.
 */
export function serviceUrl(settings: ServerConnection.ISettings, path: readonly string[], query = ''): string {
  const base = URLExt.join(settings.baseUrl, 'jupyter-uws');
  return [base, ...path.map(encodeURIComponent)].join('/') + query;
}

/** Ask the service; rejects with a readable sentence where the answer is an error. */
export async function request(
  settings: ServerConnection.ISettings,
  path: readonly string[],
  init: RequestInit = {},
  query = ''
): Promise<Response> {
  const response = await ServerConnection.makeRequest(serviceUrl(settings, path, query), init, settings);
  if (!response.ok) {
    throw new Error(describe(response, await response.text()));
  }
  return response;
}

/** The service's own words where it sent text, else the status alone: pages are no messages. */
function describe(response: Response, body: string): string {
  const isText = response.headers.get('Content-Type')?.startsWith('text/plain') ?? false;
  const words = isText ? body.trim().slice(0, 500) : '';
  return words || `The service answered ${response.status} ${response.statusText}`;
}

/** A service of others that the operator named; reached at `remote/<name>` below the service's root. */
export interface IRemote {
  readonly name: string;
  readonly kind: string;
  readonly title: string;
  /** Where programs reach it. */
  readonly url: string;
}

export async function readRemotes(settings: ServerConnection.ISettings): Promise<IRemote[]> {
  return ((await (await request(settings, ['remote'])).json()) as { services: IRemote[] }).services;
}
