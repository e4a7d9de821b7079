/**
 * What was clicked, as Python for a notebook: the client of `jupyter_uws`.
 */
import { isText } from './check';
import { IJobType } from './description';
import { DURATION, JobForm, RUN_ID } from './form';
import { IJobDocument, IJobRef, IResult } from './job';
import { KnownFile } from './knownfile';

const HEAD = 'from jupyter_uws.client import JobService\n\nuws = JobService()\n';
/** Words that Python keeps for itself. */
const KEYWORDS =
  /^(False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)$/;

/** A literal: text, number or list of Python. */
export function literal(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(literal).join(', ')}]`;
  }
  if (typeof value === 'boolean') {
    return value ? 'True' : 'False';
  }
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
}

/** A parameter's texts as the value of its type. */
function typed(type: IJobType, name: string, text: string): unknown {
  const parameter = type.parameters.find(each => each.name === name);
  const one = (item: string): unknown =>
    (parameter?.type === 'number' || parameter?.type === 'integer') && Number.isFinite(Number(item))
      ? Number(item)
      : parameter?.type === 'boolean'
        ? ['true', 'yes', 'on', '1'].includes(item.toLowerCase())
        : item;
  return parameter?.multiple ? text.split(/[\s,]+/).filter(Boolean).map(one) : one(text);
}

/** A value as Python, and what is to be done before it works. */
interface IArgument {
  readonly name: string;
  readonly code: string;
  readonly remark?: string;
}

/** Starts the job of a form; empty before its type is known. */
export function formCode(form: JobForm): string {
  const { type } = form;
  if (type === null) {
    return '';
  }
  const given = [...form.changes()].map(([name, text]): IArgument => {
    const value = form.given(name);
    return isText(value) ? { name, code: literal(typed(type, name, text)) } : filesArgument(name, value);
  });
  const duration = form.text(DURATION).trim();
  if (duration) {
    given.push({ name: 'execution_duration', code: number(duration) });
  }
  const resources = form
    .resources()
    .map(name => [name.toLowerCase(), form.text(name).trim()] as const)
    .filter(([, text]) => text)
    .map(([name, text]) => `${literal(name)}: ${number(text)}`);
  if (resources.length) {
    given.push({ name: 'resources', code: `{${resources.join(', ')}}` });
  }
  return submission(type.name, given, form.text(RUN_ID));
}

function filesArgument(name: string, files: readonly File[]): IArgument {
  const each = files.map(file => fileArgument(name, file));
  const remark = [...new Set(each.flatMap(argument => argument.remark ?? []))].join('; ');
  const codes = each.map(argument => argument.code).join(', ');
  return { name, code: files.length > 1 ? `[${codes}]` : codes, ...(remark ? { remark } : {}) };
}

/** A file as Python opens it, or where only the browser has it, how it comes to Python. */
function fileArgument(name: string, file: File): IArgument {
  if (!(file instanceof KnownFile)) {
    return { name, code: literal(file.name), remark: 'a file of your computer: upload it beside the notebook' };
  }
  return file.code === null
    ? { name, code: 'content', remark: `the ${file.size} bytes that the form was given` }
    : { name, code: file.code };
}

/** A number where it is one. */
function number(text: string): string {
  return /^\d+$/.test(text) ? text : literal(text);
}

function submission(type: string, values: readonly IArgument[], runId: string): string {
  const isPlain = ({ name }: IArgument): boolean => /^[A-Za-z_]\w*$/.test(name) && !KEYWORDS.test(name);
  const line = (code: string, remark?: string): string => `    ${code},${remark ? `  # ${remark}` : ''}\n`;
  let lines = line(literal(type));
  for (const { name, code, remark } of values.filter(isPlain)) {
    lines += line(`${name}=${code}`, remark);
  }
  if (runId) {
    lines += line(`run_id=${literal(runId)}`);
  }
  for (const { name, code, remark } of values.filter(value => !isPlain(value))) {
    lines += line(`**{${literal(name)}: ${code}}`, remark);
  }
  return `${HEAD}job = uws.submit(\n${lines})\njob.wait()\n`;
}

/** Finds a job again. */
export function retrieval(job: IJobRef): string {
  return `${HEAD}job = uws.job(${literal(job.id)})\njob\n`;
}

/** What a job was made from, and what was made of it. */
export function lineage(job: IJobRef): string {
  return `${HEAD}uws.job(${literal(job.id)}).provenance\n`;
}

/** Starts a job like this one. */
export function repetition(type: IJobType, job: IJobDocument): string {
  const values = Object.entries(job.parameters).map(([name, items]) => ({
    name,
    code: literal(typed(type, name, items.join(' ')))
  }));
  return submission(type.name, values, job.runId);
}

/** Reads a result. */
export function reading(job: IJobRef, result: IResult): string {
  return `${HEAD}result = uws.job(${literal(job.id)}).results[${literal(result.name)}]\nresult\n`;
}
