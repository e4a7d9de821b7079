import { describe, expect, it } from 'vitest';

import { formatCreated, hasEnded, IJobRef, IJobService, JobsModel, parseDetail, parseJobs } from '../../src/jobs/model';

const NAMESPACES =
  'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1"';

function ref(id: string, phase: string, type = 'spectrum', extra = ''): string {
  return (
    `<uws:jobref id="${id}" xlink:href="https://hub.example/user/a%40b/jupyter-uws/uws/${type}/${id}">` +
    `<uws:phase>${phase}</uws:phase>${extra}<uws:ownerId>ada</uws:ownerId>` +
    '<uws:creationTime>2026-11-22T01:02:03.456Z</uws:creationTime></uws:jobref>'
  );
}

function list(...refs: string[]): string {
  return `<?xml version="1.0"?><uws:jobs ${NAMESPACES}>${refs.join('\n')}</uws:jobs>`;
}

function job(content: string): string {
  return `<uws:job ${NAMESPACES}><uws:jobId>1</uws:jobId>${content}</uws:job>`;
}

describe('parseJobs', () => {
  it('reads what a job list says, in its order', () => {
    const jobs = parseJobs(
      list(ref('2', 'QUEUED', 'quick-look', '<uws:runId>Crab &lt;1&gt;</uws:runId>'), ref('1', 'COMPLETED'))
    );
    expect(jobs).toEqual([
      {
        id: '2',
        type: 'quick-look',
        phase: 'QUEUED',
        runId: 'Crab <1>',
        created: new Date(Date.UTC(2026, 10, 22, 1, 2, 3, 456))
      },
      expect.objectContaining({ id: '1', type: 'spectrum', phase: 'COMPLETED', runId: null })
    ]);
  });

  it('does not depend on the prefix', () => {
    const xml = `<jobs xmlns="http://www.ivoa.net/xml/UWS/v1.0"><jobref id="7"><phase>ERROR</phase></jobref></jobs>`;
    expect(parseJobs(xml)).toEqual([{ id: '7', type: '', phase: 'ERROR', runId: null, created: null }]);
  });

  it('reads an empty list', () => {
    expect(parseJobs(list())).toEqual([]);
  });

  it.each(['', 'not XML', '<html><body>Log in</body></html>', list(ref('1', 'QUEUED')).slice(0, -9), job('')])(
    'refuses what is no job list: %.30s',
    xml => {
      expect(() => parseJobs(xml)).toThrow(/UWS document \(<uws:jobs>\)/);
    }
  );
});

describe('parseDetail', () => {
  it('reads progress and message, which have no namespace', () => {
    const info = '<uws:jobInfo><progress>0.4</progress><message>run 2 of 4</message></uws:jobInfo>';
    expect(parseDetail(job(info))).toEqual({ progress: 0.4, message: 'run 2 of 4' });
  });

  it.each([
    ['1.7', 1],
    ['-1', 0],
    ['', null],
    ['soon', null]
  ])('keeps a progress of %j within 0..1 or leaves it out', (said, progress) => {
    expect(parseDetail(job(`<uws:jobInfo><progress>${said}</progress></uws:jobInfo>`)).progress).toBe(progress);
  });

  it('tells why a job failed', () => {
    const error =
      '<uws:errorSummary type="fatal"><uws:message>No run covers it</uws:message></uws:errorSummary>' +
      '<uws:jobInfo><progress>0.9</progress><message>fitting</message></uws:jobInfo>';
    expect(parseDetail(job(error)).message).toBe('No run covers it');
  });

  it('makes do with a job that tells nothing', () => {
    expect(parseDetail(job(''))).toEqual({ progress: null, message: '' });
  });
});

describe('phases and times', () => {
  it('knows which jobs can be deleted and which aborted', () => {
    const ended = ['PENDING', 'QUEUED', 'EXECUTING', 'HELD', 'SUSPENDED', 'UNKNOWN', 'COMPLETED', 'ERROR', 'ABORTED'];
    expect(ended.filter(hasEnded)).toEqual(['COMPLETED', 'ERROR', 'ABORTED']);
  });

  it('shows the time of day today and the date before', () => {
    const now = new Date(2026, 10, 22, 18, 0);
    expect(formatCreated(new Date(2026, 10, 22, 9, 5), now)).toMatch(/9:05/);
    expect(formatCreated(new Date(2026, 10, 21, 9, 5), now)).toMatch(/21/);
    expect(formatCreated(null, now)).toBe('');
  });
});

/** A service in memory that speaks the documents of the real one. */
class MemoryService implements IJobService {
  readonly phases = new Map<string, string>();
  readonly asked: string[] = [];
  down = false;

  list(): Promise<string> {
    return this.down
      ? Promise.reject(new Error('connection refused'))
      : Promise.resolve(list(...Array.from(this.phases, ([id, phase]) => ref(id, phase))));
  }

  document({ id }: IJobRef): Promise<string> {
    this.asked.push(id);
    const phase = this.phases.get(id) ?? '';
    const content =
      phase === 'ERROR'
        ? '<uws:errorSummary><uws:message>too far off</uws:message></uws:errorSummary>'
        : '<uws:jobInfo><progress>0.5</progress></uws:jobInfo>';
    return phase === 'GONE' ? Promise.reject(new Error('404')) : Promise.resolve(job(content));
  }

  abort({ id }: IJobRef): Promise<void> {
    this.phases.set(id, 'ABORTED');
    return Promise.resolve();
  }

  delete({ id }: IJobRef): Promise<void> {
    this.phases.delete(id);
    return Promise.resolve();
  }
}

describe('JobsModel', () => {
  it('knows nothing, then the list with the progress of what runs', async () => {
    const service = new MemoryService();
    const model = new JobsModel(service);
    let changes = 0;
    model.changed.connect(() => changes++);
    expect(model.jobs).toBeNull();
    service.phases.set('1', 'EXECUTING').set('2', 'QUEUED').set('3', 'COMPLETED');
    await model.refresh();
    expect(model.jobs?.map(found => found.progress)).toEqual([0.5, null, null]);
    expect(service.asked).toEqual(['1']);
    expect(changes).toBe(1);
  });

  it('asks once why a job failed', async () => {
    const service = new MemoryService();
    const model = new JobsModel(service);
    service.phases.set('1', 'ERROR');
    await model.refresh();
    await model.refresh();
    expect(model.jobs?.[0]?.message).toBe('too far off');
    expect(service.asked).toEqual(['1']);
  });

  it('keeps the list and tells the error while the service is away', async () => {
    const service = new MemoryService();
    const model = new JobsModel(service);
    service.phases.set('1', 'QUEUED');
    await model.refresh();
    service.down = true;
    await expect(model.refresh()).rejects.toThrow('connection refused');
    expect(model.error).toBe('connection refused');
    expect(model.jobs).toHaveLength(1);
    service.down = false;
    await model.refresh();
    expect(model.error).toBeNull();
  });

  it('shows the list anew after an abort and after a deletion', async () => {
    const service = new MemoryService();
    const model = new JobsModel(service);
    service.phases.set('1', 'EXECUTING').set('2', 'COMPLETED');
    await model.refresh();
    const [first, second] = parseJobs(await service.list()) as [IJobRef, IJobRef];
    await model.abort(first);
    expect(model.jobs?.[0]?.phase).toBe('ABORTED');
    await model.delete(second);
    expect(model.jobs?.map(found => found.id)).toEqual(['1']);
  });
});
