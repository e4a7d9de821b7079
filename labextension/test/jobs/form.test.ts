import { describe, expect, it } from 'vitest';

import { check } from '../../src/jobs/check';
import { IJobType, IParameter, isDefault } from '../../src/jobs/description';
import { DURATION, IFormService, INewJob, JobForm, RUN_ID } from '../../src/jobs/form';
import { IJobDocument, IJobRef, readDocument } from '../../src/jobs/job';
import { KnownFile } from '../../src/jobs/knownfile';
import { formCode } from '../../src/jobs/python';
import { DOCUMENT } from './job.test';

function parameter(name: string, more: Partial<IParameter> = {}): IParameter {
  return {
    name,
    type: 'number',
    title: '',
    description: '',
    unit: null,
    ucd: null,
    default: null,
    required: false,
    multiple: false,
    minimum: null,
    maximum: null,
    choices: null,
    pattern: null,
    min_items: null,
    max_items: null,
    content_types: [],
    max_size: null,
    ...more
  };
}

const RA = parameter('RA', { unit: 'deg', minimum: 0, maximum: 360, ucd: 'pos.eq.ra', required: true });
const DEC = parameter('Dec', { unit: 'deg', ucd: 'pos.eq.dec' });
const RUNS = parameter('obs_ids', { type: 'string', multiple: true, required: true, min_items: 1, max_items: 3 });
const BINS = parameter('bins', { type: 'integer', minimum: 1, default: 10 });
const MODEL = parameter('model', { type: 'string', choices: ['pl', 'ecpl'], default: 'pl' });
const DEEP = parameter('deep', { type: 'boolean', default: false });

const SPECTRUM: IJobType = {
  name: 'spectrum',
  title: '',
  description: '',
  version: '1',
  parameters: [RUNS, RA, DEC, BINS, MODEL, DEEP],
  execution_duration: 600,
  execution_duration_max: 3600,
  resources: { cores: { default: 1, maximum: 4 }, partition: { default: '', choices: ['long'] } }
};

describe('checks', () => {
  // the sentences are those of jupyter_uws/jobs; tests/jobs/test_jobs_form_sentences.py compares them
  it.each([
    [RA, '83.6', null],
    [RA, '361', 'RA is 361, allowed is 0 to 360 deg'],
    [RA, '83 deg', "RA is '83 deg', allowed is a number, 0 to 360 deg (without its unit)"],
    [RA, 'nan', "RA is 'nan', allowed is a number, 0 to 360 deg (without its unit)"],
    [RA, ' ', 'RA is required: 0 to 360 deg'],
    [DEC, '', null],
    [DEC, 'x', "Dec is 'x', allowed is a number in deg (without its unit)"],
    [BINS, '1e3', null],
    [BINS, '2.5', "bins is '2.5', allowed is an integer, at least 1"],
    [BINS, '0', 'bins is 0, allowed is at least 1'],
    [MODEL, 'log', "model is 'log', allowed is one of: pl, ecpl"],
    [DEEP, 'maybe', "deep is 'maybe', allowed is true or false"],
    [RUNS, '1, 2 3', null],
    [RUNS, '1 2 3 4', 'obs_ids has 4 values, allowed are at most 3'],
    [parameter('name', { type: 'string', pattern: '[a-z]+' }), 'A1', "name is 'A1', allowed is what matches [a-z]+"]
  ])('%s', (given, text, problem) => {
    expect(check(given, text)).toBe(problem);
  });

  it('looks at the size of a file', () => {
    const table = parameter('table', { type: 'file', max_size: 4 });
    expect(check(table, [new File(['1234'], 'a.txt')])).toBeNull();
    expect(check(table, [new File(['12345'], 'a.txt')])).toBe('table is a file of 5 bytes, allowed are at most 4');
    expect(check(table, 'ftp://x')).toMatch(/allowed is a file/);
  });

  it('knows a default in any spelling', () => {
    expect(isDefault(BINS, ['10.0'])).toBe(true);
    expect(isDefault(BINS, ['11'])).toBe(false);
    expect(isDefault(DEEP, ['false'])).toBe(true);
    expect(isDefault(DEC, [])).toBe(true);
  });
});

class Service implements IFormService {
  readonly sent: [string, FormData][] = [];
  refuse = '';

  types(): Promise<IJobType[]> {
    const files = ['near', 'far', 'lambda'].map(name => parameter(name, { type: 'file' }));
    const others = [{ ...SPECTRUM, name: 'other', parameters: [RUNS] }, { ...SPECTRUM, name: 'files', parameters: files }];
    return Promise.resolve([...others, SPECTRUM]);
  }

  baskets(): Promise<string[]> {
    return Promise.resolve(['Crab']);
  }

  files(job: IJobRef): Promise<Map<string, File[]>> {
    return Promise.resolve(new Map([['near', [new File([job.id], 'a.txt')]], ['far', [new File(['1'], 'b'), new File(['2'], 'c')]]]));
  }

  basket(name: string): Promise<string[]> {
    return Promise.resolve([`ivo://x?${name}1`, `ivo://x?${name}2`]);
  }

  create(type: string, values: FormData): Promise<IJobDocument> {
    this.sent.push([type, values]);
    return this.refuse ? Promise.reject(new Error(this.refuse)) : Promise.resolve(readDocument(DOCUMENT));
  }
}

async function opened(asked: INewJob, files = {}): Promise<[JobForm, Service]> {
  const service = new Service();
  const form = new JobForm(service, asked, files);
  await form.load();
  return [form, service];
}

describe('the form', () => {
  it('is filled from what it is opened with, and from defaults', async () => {
    const [form] = await opened({
      type: 'spectrum',
      obs_ids: ['7', '8'],
      position: { ra: 83.6, dec: 22 },
      parameters: { BINS: ['4'] }
    });
    expect(['obs_ids', 'RA', 'Dec', 'bins', 'model'].map(name => form.text(name))).toEqual([
      '7 8',
      '83.6',
      '22',
      '4',
      'pl'
    ]);
  });

  it('sends nothing while something is wrong, and then what was given', async () => {
    const [form, service] = await opened({ type: 'spectrum' });
    form.set('RA', '400');
    expect(form.problem('obs_ids')).toBeNull(); // not touched yet
    expect(await form.submit(true)).toBeNull();
    expect(form.problem('obs_ids')).toMatch(/is required/);
    expect(service.sent).toEqual([]);
    form.set('RA', '83.6');
    form.set('obs_ids', '1 2');
    form.set(RUN_ID, ' Crab ');
    form.set('CORES', '2');
    expect((await form.submit(true))?.id).toBe('20261125-1');
    const [[type, values] = ['', new FormData()]] = service.sent;
    expect([type, ...values.entries()]).toEqual([
      'spectrum',
      ['obs_ids', '1 2'],
      ['RA', '83.6'],
      ['bins', '10'],
      ['model', 'pl'],
      ['deep', 'false'],
      ['RUNID', 'Crab'],
      ['CORES', '2'],
      ['PHASE', 'RUN']
    ]);
  });

  it('lets a pending job be incomplete, not wrong', async () => {
    const [form, service] = await opened({ type: 'spectrum' });
    await form.submit(false);
    expect(service.sent).toHaveLength(1);
    form.set('RA', 'x');
    await form.submit(false);
    expect(service.sent).toHaveLength(1);
  });

  it('checks the limits of the service', async () => {
    const [form] = await opened({ type: 'spectrum' });
    form.set(DURATION, '3601');
    form.set('CORES', '5');
    expect(form.problem(DURATION)).toBe("EXECUTIONDURATION '3601' is more than the 3600 s that a job may have here");
    expect(form.problem('CORES')).toBe("CORES '5' is more than the 4 that a job may have here");
  });

  it('keeps what was typed when the type changes, and says what the service refused', async () => {
    const [form, service] = await opened({ type: 'other' });
    form.set('obs_ids', '9');
    form.setType('spectrum');
    expect(form.text('obs_ids')).toBe('9');
    form.set('RA', '1');
    service.refuse = 'ada has 5 jobs queued or running and may have 5';
    expect(await form.submit(true)).toBeNull();
    expect([form.error, form.busy]).toEqual([service.refuse, false]);
  });

  it('takes the runs of a basket', async () => {
    const [form] = await opened({ type: 'spectrum' });
    await form.take('obs_ids', (await form.baskets())[0] ?? '');
    expect([...form.changes()]).toEqual([['obs_ids', 'ivo://x?Crab1\nivo://x?Crab2']]);
    expect(form.problem('obs_ids')).toBeNull();
  });

  it('is Python, without the defaults', async () => {
    const [form] = await opened({ type: 'spectrum', obs_ids: ['7', '8'], position: { ra: 83.6, dec: 22 } });
    form.set(RUN_ID, "O'Hara");
    form.set(DURATION, '600');
    form.set('CORES', '2');
    expect(formCode(form)).toBe(
      'from jupyter_uws.client import JobService\n\nuws = JobService()\n' +
        'job = uws.submit(\n    "spectrum",\n    obs_ids=["7", "8"],\n    RA=83.6,\n    Dec=22,\n' +
        '    execution_duration=600,\n    resources={"cores": 2},\n    run_id="O\'Hara",\n)\njob.wait()\n'
    );
  });

  it('takes the files of the job that is run again, and more of them where several may be', async () => {
    const [form, service] = await opened({ type: 'files', again: { type: 'files', id: 'j1' } });
    expect([form.text('near'), form.text('far')]).toEqual(['a.txt', 'b, c']);
    form.addFiles(parameter('near', { type: 'file' }), [new File(['3'], 'd'), new File(['4'], 'e')]);
    form.addFiles(parameter('far', { type: 'file', multiple: true }), [new File(['3'], 'd')]);
    expect([form.text('near'), form.text('far')]).toEqual(['d', 'b, c, d']);
    expect(formCode(form)).toContain('    far=["b", "c", "d"],  # a file of your computer: upload it beside the notebook\n');
    await form.submit(true);
    expect(service.sent[0]?.[1].getAll('far').map(file => (file as File).name)).toEqual(['b', 'c', 'd']);
  });

  it('has no files where none was chosen, and those that it was opened with after a second answer, too', async () => {
    const [form] = await opened({ type: 'files' }, { near: [new File(['1'], 'given')] });
    expect(form.text('near')).toBe('given');
    await form.load();
    expect(form.text('near')).toBe('given');
    form.addFiles(parameter('near', { type: 'file', required: true }), []);
    expect(form.given('near')).toBe('');
  });

  it('names files in Python as Python finds them', async () => {
    const [form] = await opened({ type: 'files' });
    form.set('near', [new KnownFile('1', 'a.txt', 'text/plain', 'data/a.txt', '"data/a.txt"')]);
    form.set('lambda', [new KnownFile('12', 'raw', 'text/plain', 'raw', null)]);
    form.set('far', [new File(['1'], 'b.txt')]);
    expect(form.text('near')).toBe('data/a.txt');
    expect(formCode(form)).toContain(
      '    near="data/a.txt",\n' +
        '    far="b.txt",  # a file of your computer: upload it beside the notebook\n' +
        '    **{"lambda": content},  # the 2 bytes that the form was given\n'
    );
  });
});
