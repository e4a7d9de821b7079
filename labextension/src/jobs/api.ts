/**
 * The UWS service behind the Jupyter server, over HTTP.
 */
import { ServerConnection } from '@jupyterlab/services';

import { request } from '../http';
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

  private async _request(path: string[], init: RequestInit, query = ''): Promise<string> {
    const headers = new Headers(init.headers);
    headers.set('Accept', 'application/xml');
    const response = await request(this._settings, ['uws', ...path], { ...init, headers }, query);
    return response.text();
  }
}
