import { describe, expect, it } from 'vitest';

import { JobEvents } from '../../src/jobs/events';
import { IJobDocument, readJob } from '../../src/jobs/job';
import { IPageService, JobPage } from '../../src/jobs/page';

import { Source } from './source';

describe('JobPage', () => {
  it('asks for its job when the stream begins anew, and not for one that was deleted', async () => {
    const told = { job_id: 'j1', job_type: 'sleeper', phase: 'PENDING', creation_time: '2026-11-25T00:00:00Z' };
    const asked: string[] = [];
    const service = {
      document: job => {
        asked.push(job.id);
        return Promise.resolve(readJob(told) as IJobDocument);
      },
      types: () => Promise.resolve([])
    } as Partial<IPageService> as IPageService;
    const source = new Source();
    const events = new JobEvents(
      () => source,
      () => Promise.resolve('')
    );
    events.start();
    const page = new JobPage(service, events, { id: 'j1', type: 'sleeper' });
    await page.load();
    source.say('reset');
    expect(asked).toEqual(['j1', 'j1']);
    source.say('deleted', told);
    expect(page.deleted).toBe(true);
    source.say('reset');
    expect(asked).toEqual(['j1', 'j1']);
    page.dispose();
  });
});
