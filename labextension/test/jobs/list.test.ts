import { beforeEach, describe, expect, it, vi } from 'vitest';

import { Activity } from '../../src/jobs/activity';
import { IPage, IQuery } from '../../src/jobs/api';
import { JobEvents } from '../../src/jobs/events';
import { IJob, IJobRef, readJob } from '../../src/jobs/job';
import { IListService, JobList, matches, PAGE, SELECTED } from '../../src/jobs/list';
import { Log } from '../../src/jobs/log';
import { announce, INotice, notices } from '../../src/jobs/notices';
import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import { Source } from './source';

const trans = nullTranslator.load('jupyter_uws');

function event(number: number, phase: string, more: object = {}): Record<string, unknown> {
  const time = new Date(Date.UTC(2026, 10, 25) + 1000 * number).toISOString();
  return { job_id: `j${String(number).padStart(6, '0')}`, job_type: 'sleeper', phase, creation_time: time, ...more };
}

/** Jobs in memory, newest first. */
class Service implements IListService {
  jobs: IJob[] = [];
  down = false;
  runs: Record<string, number> = {};
  readonly asked: string[] = [];

  list(query: IQuery, page: string | null, size: number): Promise<IPage> {
    this.asked.push(page ?? 'first');
    if (this.down) {
      return Promise.reject(new Error('connection refused'));
    }
    const found = this.jobs.filter(job => matches(job, query));
    const from = Number(page ?? 0);
    const next = from + size < found.length ? String(from + size) : null;
    return Promise.resolve({ jobs: found.slice(from, from + size), next, counts: page ? null : { QUEUED: 1 }, runs: this.runs });
  }

  run(): Promise<void> {
    return Promise.resolve();
  }

  abort({ id }: IJobRef): Promise<void> {
    return id === 'j000003' ? Promise.reject(new Error('it has ended already')) : Promise.resolve();
  }

  archive(): Promise<void> {
    return Promise.resolve();
  }

  delete({ id }: IJobRef): Promise<void> {
    this.asked.push(`delete ${id}`);
    return Promise.resolve();
  }
}

let source = new Source();
let events: JobEvents;
let service: Service;
let list: JobList;

beforeEach(() => {
  source = new Source();
  service = new Service();
  events = new JobEvents(
    () => source,
    () => Promise.resolve('the service runs on host node7')
  );
  list = new JobList(service, events);
  events.start();
  source.onopen?.();
});

const ids = (): string[] => (list.jobs ?? []).map(job => job.id);

describe('the list', () => {
  it('knows how many jobs a run id has beyond those that were read', async () => {
    service.jobs = [readJob(event(2, 'COMPLETED', { run_id: 'night' })), readJob(event(1, 'COMPLETED', { run_id: 'night' }))];
    service.runs = { night: 900 };
    source.say('reset');
    list.setVisible(true);
    await vi.waitFor(() => {
      expect(ids()).toHaveLength(2);
    });
    const size = (): number => list.sizeOf('night', list.jobs ?? []);
    expect(size()).toBe(900);
    source.say('job', event(3, 'QUEUED', { run_id: 'night' }));
    expect(size()).toBe(901);
    source.say('deleted', event(1, 'COMPLETED'));
    expect([size(), list.types]).toEqual([900, { sleeper: 0 }]);
  });

  it('asks nothing while hidden, and once when shown', async () => {
    source.say('reset');
    expect(service.asked).toEqual([]);
    service.jobs = [readJob(event(1, 'QUEUED'))];
    list.setVisible(true);
    await vi.waitFor(() => {
      expect(ids()).toEqual(['j000001']);
    });
    list.setVisible(false);
    list.setVisible(true);
    expect(service.asked).toEqual(['first']);
  });

  it('reads 10^5 jobs page by page, each once', async () => {
    service.jobs = Array.from({ length: 100_000 }, (_, at) => readJob(event(100_000 - at, 'COMPLETED')));
    list.setVisible(true);
    await vi.waitFor(() => {
      expect(list.jobs).toHaveLength(PAGE);
    });
    await list.more();
    await list.more();
    expect(new Set(ids()).size).toBe(3 * PAGE);
    expect(list.hasMore).toBe(true);
    expect(service.asked).toHaveLength(3);
  });

  it('selects all that match, read or not, but not those of another filter', async () => {
    service.jobs = Array.from({ length: 1000 }, (_, at) => readJob(event(1000 - at, 'COMPLETED')));
    list.setVisible(true);
    await vi.waitFor(() => {
      expect(ids()).toHaveLength(PAGE);
    });
    await list.selectAll();
    expect(list.selected).toHaveLength(1000);
    list.select(list.selected, false);
    service.jobs = Array.from({ length: SELECTED + 2 * PAGE }, (_, at) => readJob(event(100_000 - at, 'COMPLETED')));
    await list.refresh();
    await list.selectAll();
    expect(list.selected).toHaveLength(SELECTED);
    await list.refresh();
    const selecting = list.selectAll();
    list.setQuery({ phases: ['ERROR'] });
    await selecting;
    expect(list.selected).toEqual([]);
  });

  it('follows the stream without asking: new jobs in their place, changes, deletions', async () => {
    service.jobs = [readJob(event(5, 'QUEUED')), readJob(event(3, 'QUEUED'))];
    await list.refresh();
    source.say('job', event(9, 'PENDING'));
    source.say('job', event(4, 'QUEUED'));
    source.say('job', event(3, 'EXECUTING', { progress: 0.5 }));
    expect(ids()).toEqual(['j000009', 'j000005', 'j000004', 'j000003']);
    expect(list.jobs?.[3]?.progress).toBe(0.5);
    source.say('deleted', { job_id: 'j000005', job_type: 'sleeper' });
    expect(ids()).toEqual(['j000009', 'j000004', 'j000003']);
    expect(service.asked).toEqual(['first']);
  });

  it('shows what matches only, also of what the stream tells', async () => {
    service.jobs = [readJob(event(1, 'QUEUED', { run_id: 'Crab 1' }))];
    list.setQuery({ text: 'crab', phases: ['QUEUED'] });
    await vi.waitFor(() => {
      expect(ids()).toEqual(['j000001']);
    });
    source.say('job', event(2, 'QUEUED', { run_id: 'Vela' }));
    source.say('job', event(3, 'QUEUED', { run_id: 'CRAB 2' }));
    expect(ids()).toEqual(['j000003', 'j000001']);
    source.say('job', event(1, 'EXECUTING', { run_id: 'Crab 1' }));
    expect(ids()).toEqual(['j000003']);
  });

  it('groups by run id where the newest of a group stands', async () => {
    const runs = ['a', 'b', 'a'];
    service.jobs = runs.map((run, at) => readJob(event(9 - at, 'COMPLETED', { run_id: run })));
    await list.refresh();
    list.setGrouped(true);
    const shown = (): string[] => list.rows().map(row => ('group' in row ? `[${row.group}]` : row.job.id));
    expect(shown()).toEqual(['[a]', 'j000009', 'j000007', '[b]', 'j000008']);
    list.toggleGroup('a');
    expect(shown()).toEqual(['[a]', '[b]', 'j000008']);
  });

  it('acts on those of the selected that allow it, and tells of refusals', async () => {
    service.jobs = [readJob(event(1, 'COMPLETED')), readJob(event(2, 'EXECUTING')), readJob(event(3, 'EXECUTING'))];
    await list.refresh();
    list.select(list.jobs ?? [], true);
    await list.act('delete', list.selected);
    expect(service.asked).toContain('delete j000001');
    expect(service.asked).toHaveLength(2);
    await expect(list.act('abort', list.selected)).rejects.toThrow('it has ended already');
    expect(list.selected.map(job => job.id)).toEqual(['j000003']);
  });

  it('keeps what it has and says why while the service is away', async () => {
    service.jobs = [readJob(event(1, 'QUEUED'))];
    await list.refresh();
    service.down = true;
    await list.refresh();
    expect([list.error, ids().length]).toEqual(['connection refused', 1]);
    service.down = false;
    await list.refresh();
    expect(list.error).toBeNull();
  });
});

describe('the stream', () => {
  it('says why it is refused, and is asked for again', async () => {
    vi.useFakeTimers();
    const first = source;
    first.readyState = 2;
    first.onerror?.();
    await vi.advanceTimersByTimeAsync(0);
    expect([events.connected, events.error]).toEqual([false, 'the service runs on host node7']);
    source = new Source();
    await vi.advanceTimersByTimeAsync(2000);
    source.onopen?.();
    expect([events.connected, events.error]).toEqual([true, null]);
    vi.useRealTimers();
  });
});

describe('activity', () => {
  it('counts what is not over and tells of each end once', async () => {
    const now = new Map([['j000003', 'COMPLETED']]);
    const read = (job: IJobRef): Promise<IJob> =>
      Promise.resolve(readJob({ ...event(3, now.get(job.id) ?? 'QUEUED'), job_id: job.id }));
    const activity = new Activity(events, read);
    const ended: string[] = [];
    activity.ended.connect((_, job) => ended.push(`${job.id} ${job.phase}`));
    source.say('reset');
    [1, 2, 3].forEach(number => {
      source.say('job', event(number, number === 1 ? 'EXECUTING' : 'QUEUED'));
    });
    source.say('job', event(4, 'PENDING'));
    source.say('ready', { jobs: 4, complete: true });
    expect(activity.counts).toEqual({ running: 1, queued: 2, more: false });
    source.say('job', event(1, 'COMPLETED'));
    source.say('job', event(1, 'COMPLETED'));
    source.say('job', event(2, 'ABORTED'));
    expect(ended).toEqual(['j000001 COMPLETED']);
    // the service was started anew, and the third has ended meanwhile
    source.say('reset');
    source.say('ready', { jobs: 0, complete: true });
    await vi.waitFor(() => {
      expect(ended).toEqual(['j000001 COMPLETED', 'j000003 COMPLETED']);
    });
    expect(activity.counts.queued).toBe(0);
  });

  it('is told by name, of many by number, never longer than JupyterLab shows', () => {
    const failed = readJob({ ...event(1, 'ERROR'), error: 'x'.repeat(300) });
    const [one] = notices([failed], trans);
    expect(one?.message).toHaveLength(130);
    const done = readJob(event(2, 'COMPLETED'));
    expect(notices([failed, done, done, done], trans).map(notice => [notice.message, notice.job])).toEqual([
      ['4 jobs have ended, 1 of them with an error', null]
    ]);
  });

  it('is counted in one notice where many come one after the other', () => {
    vi.useFakeTimers();
    const activity = { ended: new Signal<object, IJob>({}) };
    const seen = new Map<string, string>();
    let number = 0;
    const show = ({ message }: INotice): string => {
      const id = `n${++number}`;
      seen.set(id, message);
      return id;
    };
    announce(activity, trans, {
      show,
      replace: (id, notice) => (seen.has(id) ? (seen.set(id, notice.message), id) : show(notice)),
      hide: id => void seen.delete(id)
    });
    const end = (count: number): void => {
      for (let each = 0; each < count; each++) {
        activity.ended.emit(readJob(event(each, 'COMPLETED')));
      }
      vi.advanceTimersByTime(1000);
    };
    end(1);
    end(2);
    expect([...seen.keys()]).toEqual(['n1', 'n2', 'n3']);
    end(1);
    end(4);
    expect([...seen]).toEqual([['n4', '8 jobs are done']]);
    seen.clear(); // somebody has closed it
    end(1);
    expect([...seen.values()]).toEqual(['9 jobs are done']);
    vi.advanceTimersByTime(20_000);
    end(1);
    expect([...seen.keys()]).toEqual(['n5', 'n6']);
    vi.useRealTimers();
  });
});

describe('a log', () => {
  it('begins near its end, reads on, and puts letters together that a piece has cut', async () => {
    const bytes = new TextEncoder().encode(`${'old\n'.repeat(100_000)}Größe\n`);
    let there = bytes.length - 5;
    const log = new Log((from, size) => {
      const start = from < 0 ? Math.max(0, there + from) : from;
      const part = bytes.subarray(start, Math.min(there, start + size));
      return Promise.resolve({ bytes: part, end: start + part.length });
    });
    await log.update();
    expect([log.cut, log.text.length < 140_000]).toEqual([true, true]);
    there = bytes.length;
    await log.update();
    expect(log.text.endsWith('old\nGröße\n')).toBe(true);
  });

  it('is read once more where it was being read already: what was asked for before the end may lack the end', async () => {
    let written = 'begin\n';
    const log = new Log(from => {
      const bytes = new TextEncoder().encode(written.slice(Math.max(0, from)));
      return Promise.resolve({ bytes, end: written.length });
    });
    const early = log.update();
    const late = Promise.resolve().then(() => {
      written += 'end\n';
      return log.update();
    });
    await Promise.all([early, late]);
    expect(log.text).toBe('begin\nend\n');
  });
});
