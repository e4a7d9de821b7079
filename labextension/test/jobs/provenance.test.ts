import { describe, expect, it } from 'vitest';

import { layoutOf, NODE, readProvenance } from '../../src/jobs/provenance';

function activity(id: string, type: string, run = ''): object {
  return { 'uws:job_id': id, 'uws:job_type': type, 'uws:phase': 'COMPLETED', ...(run ? { 'uws:run_id': run } : {}) };
}

function use(job: string, entity: string, role: string): object {
  return { 'prov:activity': job, 'prov:entity': entity, 'prov:role': role };
}

/** spectrum made a model; gammapy took that, a file and two runs; two used its result, one of them after the other. */
const DOCUMENT = {
  activity: {
    'service:uws/spectrum/1': activity('1', 'spectrum', 'first'),
    'service:uws/gammapy/2': { ...activity('2', 'gammapy'), 'uws:is_cut': true },
    'service:uws/own/3': activity('3', 'own'),
    'service:uws/own/4': activity('4', 'own')
  },
  entity: {
    'service:uws/spectrum/1/results/model': { 'prov:label': 'model', 'uws:sha256': 'ab' },
    'service:uws/gammapy/2/results/fit': { 'prov:label': 'fit', 'uws:sha256': 'cd' },
    'sha256:ef': { 'prov:label': 'config.yaml', 'uws:sha256': 'ef', 'prov:location': 'https://a.org/c' },
    'sha256:01': { 'prov:label': 'of its own', 'uws:sha256': '01' },
    'ivo:a?1': { 'prov:label': 'ivo://a?1' },
    'ivo:a?2': { 'prov:label': 'ivo://a?2' }
  },
  wasGeneratedBy: {
    a: { 'prov:entity': 'service:uws/spectrum/1/results/model', 'prov:activity': 'service:uws/spectrum/1' },
    b: { 'prov:entity': 'service:uws/gammapy/2/results/fit', 'prov:activity': 'service:uws/gammapy/2' }
  },
  used: {
    a: use('service:uws/gammapy/2', 'service:uws/spectrum/1/results/model', 'models'),
    b: use('service:uws/gammapy/2', 'sha256:ef', 'config'),
    c: use('service:uws/gammapy/2', 'ivo:a?1', 'obs_ids'),
    d: use('service:uws/gammapy/2', 'ivo:a?2', 'obs_ids'),
    e: use('service:uws/own/3', 'service:uws/gammapy/2/results/fit', 'table'),
    f: use('service:uws/own/4', 'service:uws/gammapy/2/results/fit', 'table'),
    g: use('service:uws/own/4', 'sha256:01', 'more')
  },
  wasInformedBy: {
    a: { 'prov:informed': 'service:uws/own/3', 'prov:informant': 'service:uws/gammapy/2' },
    b: { 'prov:informed': 'service:uws/own/4', 'prov:informant': 'service:uws/own/3' }
  }
};

describe('provenance', () => {
  const found = readProvenance(DOCUMENT, { id: '2', type: 'gammapy' });

  it('has what a job was made from to its left, and what used it to its right', () => {
    const levels = Object.fromEntries(found.nodes.map(node => [node.title || node.kind, node.level]));
    expect(levels).toEqual({ 'spectrum first': -1, 'gammapy 2': 0, 'own 3': 1, 'own 4': 2, 'config.yaml': -1, runs: -1 });
    expect(found.nodes.find(node => node.kind === 'runs')?.items).toEqual(['ivo://a?1', 'ivo://a?2']);
    expect(found.nodes.filter(node => node.ref === undefined).map(node => node.kind)).toEqual(['job', 'file', 'runs']);
    expect(found.isCut).toBe(true);
  });

  it('says how: by a result for a parameter, or one after the other', () => {
    const words = found.edges.map(edge => `${edge.source} ${edge.target} ${edge.result} ${edge.parameter}`);
    expect(words).toContain('service:uws/spectrum/1 service:uws/gammapy/2 model models');
    expect(words).toContain('service:uws/own/3 service:uws/own/4  ');
    expect(words.filter(text => text.endsWith(' more'))).toEqual([]);
    // that it ran after goes without saying where it used a result
    expect(words.filter(text => text.startsWith('service:uws/gammapy/2 service:uws/own/3'))).toHaveLength(1);
  });

  it('is drawn in columns that do not overlap', () => {
    const { places, width, height } = layoutOf(found);
    const boxes = [...places.values()];
    expect(boxes).toHaveLength(6);
    for (const [at, one] of boxes.entries()) {
      expect(one.x >= 0 && one.y >= 0 && one.x + NODE.width <= width && one.y + NODE.height <= height).toBe(true);
      for (const other of boxes.slice(at + 1)) {
        expect(Math.abs(one.x - other.x) >= NODE.width || Math.abs(one.y - other.y) >= NODE.height).toBe(true);
      }
    }
  });

  it('is that job alone where nothing is known, and ends where a document goes round', () => {
    const alone = readProvenance({ activity: { a: activity('2', 'gammapy') } }, { id: '2', type: 'gammapy' });
    expect([alone.nodes.length, alone.edges.length, alone.isCut]).toEqual([1, 0, false]);
    const back = { 'prov:informed': 'service:uws/gammapy/2', 'prov:informant': 'service:uws/own/3' };
    const round = { ...DOCUMENT, used: {}, wasInformedBy: { a: DOCUMENT.wasInformedBy.a, b: back } };
    expect(readProvenance(round, { id: '2', type: 'gammapy' }).nodes).toHaveLength(2);
  });
});
