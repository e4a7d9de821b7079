import { describe, expect, it } from 'vitest';

import { Answer } from '../../src/search/answer';
import { QueryError } from '../../src/search/api';
import { MemoryArchive } from './memory';

const QUERY = { adql: 'SELECT obs_id FROM ivoa.obscore', count: 'SELECT COUNT(*)', cones: [] };

/** With how many rows were shown, each time. */
function answering(): { answer: Answer; shown: number[] } {
  const shown: number[] = [];
  return { answer: new Answer(() => undefined, ({ table }) => void shown.push(table.rowCount)), shown };
}

describe('Answer', () => {
  it('counts what was cut off', async () => {
    const service = new MemoryArchive();
    service.overflow = true;
    const { answer } = answering();
    await answer.ask(service, QUERY, 2, true);
    expect(answer.result).toMatchObject({ overflow: true, total: 1661 });
    expect(answer.expected).toBe(1661);
    await answer.ask(service, QUERY, 1_000_000, false);
    expect(answer.result).toMatchObject({ overflow: false, total: 3 });
    expect(answer.expected).toBeNull();
  });

  it('keeps the old rows beside an error, with its place', async () => {
    const service = new MemoryArchive();
    const { answer, shown } = answering();
    await answer.ask(service, QUERY, 10, false);
    service.trouble = new QueryError('line 2, column 7: there is no column x');
    expect(await answer.ask(service, QUERY, 10, false)).toBeNull();
    expect(answer.failure).toMatchObject({ line: 2, column: 7, isQuery: true });
    service.trouble = new Error('503');
    await answer.ask(service, QUERY, 10, false);
    expect(answer.failure).toMatchObject({ line: null, isQuery: false, message: '503' });
    expect(answer.result?.table.rowCount).toBe(3);
    expect([answer.isRunning, shown]).toEqual([false, [3]]);
    answer.clear();
    expect([answer.result, answer.failure]).toEqual([null, null]);
  });

  it('is that to the last query, whichever comes first', async () => {
    const service = new MemoryArchive();
    const { answer, shown } = answering();
    let free: () => void = () => undefined;
    service.gates = [
      new Promise(resolve => {
        free = resolve;
      })
    ];
    const slow = answer.ask(service, { ...QUERY, adql: 'SELECT slow' }, 10, false);
    await answer.ask(service, { ...QUERY, adql: 'SELECT quick' }, 10, false);
    free();
    expect(await slow).toBeNull();
    expect([answer.result?.adql, shown]).toEqual(['SELECT quick', [3]]);
  });
});
