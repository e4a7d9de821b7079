import { describe, expect, it } from 'vitest';

import { compare } from '../../src/jobs/compare';
import {
  actions,
  elapsed,
  formatCreated,
  formatDuration,
  formatSize,
  hasEnded,
  PHASES,
  readDocument,
  readJob
} from '../../src/jobs/job';

const EVENT = {
  job_id: '20261125-1',
  job_type: 'spectrum',
  phase: 'EXECUTING',
  run_id: null,
  creation_time: '2026-11-25T10:00:00.000Z',
  start_time: '2026-11-25T10:01:00.000Z',
  end_time: null,
  destruction: null,
  error: null,
  results: 0,
  progress: 0.4,
  message: 'run 2 of 4'
};

export const DOCUMENT = {
  ...EVENT,
  owner: 'ada',
  run: 1,
  execution_duration: 3600,
  disk: 0,
  info: { progress: 0.4, message: 'run 2 of 4', cores: '1' },
  parameters: { obs_ids: ['1', '2'], RA: ['83.6'] },
  uploads: {},
  results: [{ name: 'sed', path: 'sed.png', content_type: 'image/png', size: 9, sha256: null, description: '' }],
  error: null
};

describe('a job as the service tells of it', () => {
  it('is read from an event', () => {
    const job = readJob(EVENT);
    expect([job.id, job.type, job.runId, job.progress, job.message]).toEqual([
      '20261125-1',
      'spectrum',
      '',
      0.4,
      'run 2 of 4'
    ]);
    expect(job.started?.toISOString()).toBe('2026-11-25T10:01:00.000Z');
  });

  it('says what it waits for, why it failed, and nothing of what is over', () => {
    const queued = { ...EVENT, phase: 'QUEUED', queue_position: '3', waits_for: 'a free worker' };
    expect(readJob(queued).message).toBe('waits for a free worker, 3 before it');
    expect(readJob({ ...EVENT, phase: 'ERROR', error: 'no run' }).message).toBe('no run');
    const done = readJob({ ...EVENT, phase: 'COMPLETED' });
    expect([done.progress, done.message]).toEqual([null, '']);
    expect(readJob({ ...EVENT, progress: 7 }).progress).toBe(1);
  });

  it('is read whole from its document', () => {
    const job = readDocument(DOCUMENT);
    expect([job.progress, job.results, job.resultFiles[0]?.name]).toEqual([0.4, 1, 'sed']);
    const failed = readDocument({ ...DOCUMENT, phase: 'ERROR', error: { message: 'no run', has_detail: true } });
    expect([failed.message, failed.hasDetail]).toEqual(['no run', true]);
  });
});

describe('what can be done', () => {
  it('depends on the phase', () => {
    expect(PHASES.filter(hasEnded)).toEqual(['COMPLETED', 'ERROR', 'ABORTED', 'ARCHIVED']);
    expect(actions('PENDING')).toEqual(['run', 'delete']);
    expect(actions('QUEUED')).toEqual(['abort']);
    expect(actions('ERROR')).toEqual(['archive', 'delete']);
    expect(actions('ARCHIVED')).toEqual(['delete']);
  });
});

describe('times and sizes', () => {
  it('shows the time of day today and the date before', () => {
    const now = new Date(2026, 10, 22, 18, 0);
    expect(formatCreated(new Date(2026, 10, 22, 9, 5), now)).toMatch(/9:05/);
    expect(formatCreated(new Date(2026, 10, 21, 9, 5), now)).toMatch(/21/);
    expect(formatCreated(null, now)).toBe('');
  });

  it('writes durations and sizes with two parts at most', () => {
    expect([4.24, 59, 185, 7620, 273600].map(formatDuration)).toEqual([
      '4.2 s',
      '59 s',
      '3 min 05 s',
      '2 h 07 min',
      '3 d 4 h'
    ]);
    expect([0, 812, 4100, 12e6, 2.5e9, null].map(formatSize)).toEqual(['0 B', '812 B', '4.1 kB', '12 MB', '2.5 GB', '']);
  });

  it('counts on while a job runs', () => {
    const job = readJob(EVENT);
    expect(elapsed(job, new Date('2026-11-25T10:04:05Z'))).toBe('3 min 05 s');
    expect(elapsed({ ...job, ended: new Date('2026-11-25T10:01:07Z') })).toBe('7.0 s');
    expect(elapsed({ ...job, started: null })).toBe('');
  });
});

describe('the comparison', () => {
  it('marks what differs, also where one has no value', () => {
    const one = readDocument(DOCUMENT);
    const other = readDocument({ ...DOCUMENT, parameters: { obs_ids: ['1', '2'], RA: ['83.7'], model: ['pl'] } });
    expect(compare([one, other]).map(line => [line.name, line.differs])).toEqual([
      ['obs_ids', false],
      ['RA', true],
      ['model', true]
    ]);
  });
});
