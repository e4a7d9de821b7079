/**
 * What the service answers, and what keeps it from answering.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

import { ITransport } from './transport';

/** What keeps the service from answering, where it is none of its own words. */
export const RESTARTING = 'It ended while it was asked, and the next question starts it again; a job that was lost thereby says so.';
export const OFFLINE = 'Jupyter cannot be reached: is the network there, and does its server run?';
export const LOGGED_OUT = 'Jupyter does not know this page any more: load it anew, and log in.';

/** Ask the service; rejects with a readable sentence where the answer is an error. */
export async function request(
  transport: ITransport,
  path: readonly string[],
  init: RequestInit = {},
  query = ''
): Promise<Response> {
  const response = await transport.fetch(path, init, query);
  if (!response.ok) {
    throw new Error(describe(response, await response.text()));
  }
  return response;
}

/** What is wrong, in a few words, where a question ended with this sentence. */
export function headline(sentence: string, trans: TranslationBundle): string {
  switch (sentence) {
    case RESTARTING:
      return trans.__('The service is starting again.');
    case OFFLINE:
      return trans.__('There is no connection.');
    case LOGGED_OUT:
      return trans.__('You are logged out.');
    default:
      return trans.__('The service does not answer.');
  }
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

export async function readRemotes(transport: ITransport): Promise<IRemote[]> {
  return ((await (await request(transport, ['remote'])).json()) as { services: IRemote[] }).services;
}
