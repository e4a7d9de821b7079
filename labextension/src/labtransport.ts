/**
 * The service behind the Jupyter server, over HTTP to the page's own origin.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { LOGGED_OUT, OFFLINE, RESTARTING } from './http';
import { IEventSource, ITransport, quoted } from './transport';

export class LabTransport implements ITransport {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  async fetch(path: readonly string[], init: RequestInit = {}, query = ''): Promise<Response> {
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(this.url(path, query), init, this._settings);
    } catch (error) {
      throw error instanceof ServerConnection.NetworkError ? new Error(OFFLINE) : error;
    }
    if (response.status === 502 && path[0] !== 'remote') {
      throw new Error(RESTARTING);
    }
    const isOwn = response.headers.get('Content-Type')?.startsWith('text/plain') ?? false;
    if (response.status === 401 || (response.status === 403 && !isOwn)) {
      throw new Error(LOGGED_OUT);
    }
    return response;
  }

  /**
   * URLs are made from the page's own base URL and not from the links in the service's documents: behind a proxy that
   * hides its scheme or host, those lead to another origin.
   */
  url(path: readonly string[], query = ''): string {
    return `${URLExt.join(this._settings.baseUrl, 'jupyter-uws')}/${quoted(path)}${query}`;
  }

  here(link: string): string {
    const found = /\/jupyter-uws\/((?:files|datalink)\/.*)$/.exec(link);
    return found === null ? link : this.url([]) + (found[1] ?? '');
  }

  picture(address: string): Promise<string> {
    return Promise.resolve(address);
  }

  events(): IEventSource {
    return new EventSource(this.url(['uws', 'events'])) as IEventSource;
  }
}
