/**
 * Pieces of a file behind the Jupyter server.
 */
import { ServerConnection } from '@jupyterlab/services';

/**
 * The bytes first..last (both included); the whole file where the server does no ranges.
 *
 * `instead` may have another answer for one that is an error. Rejects with a sentence otherwise.
 */
export async function requestRange(
  settings: ServerConnection.ISettings,
  url: string,
  first: number,
  last: number,
  cache: RequestCache,
  instead: (status: number) => Promise<Response> | null = () => null
): Promise<Response> {
  const headers = { Range: `bytes=${first}-${last}` };
  const response = await ServerConnection.makeRequest(url, { method: 'GET', headers, cache }, settings);
  if (response.ok || response.status === 416) {
    return response;
  }
  const other = instead(response.status);
  if (other !== null) {
    return other;
  }
  const isText = response.headers.get('Content-Type')?.startsWith('text/plain') ?? false;
  const words = isText ? (await response.text()).trim().slice(0, 300) : '';
  throw new Error(words || `The server answered ${response.status} ${response.statusText}.`);
}
