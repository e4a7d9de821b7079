/**
 * The UWS service behind the Jupyter server, over HTTP.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { IJobRef, IJobService } from './model';

/** How many jobs the panel asks for: the newest. */
const LAST = 50;

export class JobService implements IJobService {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  list(): Promise<string> {
    return this._request([], { method: 'GET' }, `?LAST=${LAST}`);
  }

  document(job: IJobRef): Promise<string> {
    return this._request([job.type, job.id], { method: 'GET' });
  }

  async abort(job: IJobRef): Promise<void> {
    const body = new URLSearchParams({ PHASE: 'ABORT' }).toString();
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    await this._request([job.type, job.id, 'phase'], { method: 'POST', body, headers });
  }

  async delete(job: IJobRef): Promise<void> {
    await this._request([job.type, job.id], { method: 'DELETE' });
  }

  /**
   * URLs are made from the page's own base URL and not from the documents' links: behind a
   * proxy that hides its scheme or host, those lead to another origin.
   */
  private async _request(path: string[], init: RequestInit, query = ''): Promise<string> {
    const base = URLExt.join(this._settings.baseUrl, 'jupyter-uws', 'uws');
    const url = [base, ...path.map(encodeURIComponent)].join('/') + query;
    const headers = new Headers(init.headers);
    headers.set('Accept', 'application/xml');
    const response = await ServerConnection.makeRequest(url, { ...init, headers }, this._settings);
    const body = await response.text();
    if (!response.ok) {
      throw new Error(describe(response, body));
    }
    return body;
  }
}

/** The service's own words where it sent text, else the status alone: pages are no messages. */
function describe(response: Response, body: string): string {
  const isText = response.headers.get('Content-Type')?.startsWith('text/plain') ?? false;
  const words = isText ? body.trim().slice(0, 500) : '';
  return words || `The service answered ${response.status} ${response.statusText}`;
}
