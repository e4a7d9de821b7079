/**
 * The checks of the service (`jupyter_uws/jobs/values.py`, `validation.py`), in its words: what they let pass it takes.
 */
import { IParameter } from './description';

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?$/;
const WORDS = new Set(['true', 'false', 'yes', 'no', 'on', 'off', '1', '0']);
const MAX_LENGTH = 100_000;
const MAX_ITEMS = 10_000;
/** Bytes of a file whose description does not say. */
const FILE_SIZE = 100 * 1024 * 1024;

/** A text, or files: at least one. */
export type Given = string | readonly File[];

export function isText(given: Given): given is string {
  return typeof given === 'string';
}

/** What is wrong with what was given for a parameter, as a sentence that begins with its name; null: nothing. */
export function check(parameter: IParameter, given: Given): string | null {
  const problem = isText(given) ? checkText(parameter, given) : checkFiles(parameter, given);
  return problem === null ? null : `${parameter.name} ${problem}`;
}

/** The values in a text: of a list separated by blanks or commas. */
export function items(parameter: IParameter, text: string): string[] {
  if (parameter.multiple) {
    return text.split(/[\s,]+/).filter(Boolean);
  }
  const value = parameter.type === 'string' ? text : text.trim();
  return value ? [value] : [];
}

/** The allowed range in words, empty where there is none: `0 to 360 deg`. */
export function bounds(parameter: IParameter): string {
  const { minimum: low, maximum: high } = parameter;
  const unit = parameter.unit ? ` ${parameter.unit}` : '';
  if (low !== null && high !== null) {
    return `${low} to ${high}${unit}`;
  }
  return low !== null ? `at least ${low}${unit}` : high !== null ? `at most ${high}${unit}` : '';
}

function checkText(parameter: IParameter, text: string): string | null {
  if (text.length > MAX_LENGTH) {
    return `is longer than ${MAX_LENGTH} characters`;
  }
  const values = items(parameter, text);
  if (values.length === 0) {
    return parameter.required ? `is required${hint(parameter)}` : null;
  }
  if (parameter.multiple) {
    const low = parameter.min_items ?? 0;
    const high = Math.min(parameter.max_items ?? MAX_ITEMS, MAX_ITEMS);
    if (values.length < low || values.length > high) {
      const allowed = values.length < low ? `at least ${low}` : `at most ${high}`;
      return `has ${values.length} values, allowed are ${allowed}`;
    }
  }
  for (const value of values) {
    const problem = checkOne(parameter, value);
    if (problem !== null) {
      return problem;
    }
  }
  return null;
}

function checkOne(parameter: IParameter, value: string): string | null {
  switch (parameter.type) {
    case 'boolean':
      return WORDS.has(value.toLowerCase()) ? null : `is ${shown(value)}, allowed is true or false`;
    case 'number':
    case 'integer':
      return checkNumber(parameter, value);
    case 'file':
      // the service fetches it, from where it may
      return /^https?:\/\//.test(value) ? null : `is ${shown(value)}, allowed is a file: send it, or its URL`;
    case 'string':
      if (parameter.choices && !parameter.choices.map(String).includes(value)) {
        return `is ${shown(value)}, allowed is one of: ${parameter.choices.join(', ')}`;
      }
      return matches(parameter, value) ? null : `is ${shown(value)}, allowed is what matches ${parameter.pattern ?? ''}`;
  }
}

function checkNumber(parameter: IParameter, text: string): string | null {
  const value = Number(text);
  const whole = parameter.type === 'integer';
  if (!NUMBER.test(text) || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
    return `is ${shown(text)}, ${wanted(whole ? 'an integer' : 'a number', parameter)}`;
  }
  const { minimum, maximum } = parameter;
  if ((minimum !== null && value < minimum) || (maximum !== null && value > maximum)) {
    return `is ${value}, allowed is ${bounds(parameter)}`;
  }
  if (parameter.choices && !parameter.choices.some(choice => Number(choice) === value)) {
    return `is ${shown(text)}, allowed is one of: ${parameter.choices.join(', ')}`;
  }
  return null;
}

/** Python's expressions are nearly JavaScript's; what is none here is left to the service. */
function matches(parameter: IParameter, value: string): boolean {
  if (parameter.pattern === null) {
    return true;
  }
  try {
    return new RegExp(`^(?:${parameter.pattern})$`, 'u').test(value);
  } catch {
    return true;
  }
}

function checkFiles(parameter: IParameter, files: readonly File[]): string | null {
  const limit = parameter.max_size ?? FILE_SIZE;
  const large = files.find(file => file.size > limit);
  return large ? `is a file of ${large.size} bytes, allowed are at most ${limit}` : null;
}

function wanted(kind: string, parameter: IParameter): string {
  const allowed = bounds(parameter);
  const unit = parameter.unit ? ' (without its unit)' : '';
  if (allowed) {
    return `allowed is ${kind}, ${allowed}${unit}`;
  }
  return `allowed is ${kind}${parameter.unit ? ` in ${parameter.unit}${unit}` : ''}`;
}

function hint(parameter: IParameter): string {
  const words = parameter.title || parameter.description;
  const allowed = bounds(parameter) || (parameter.unit ? `in ${parameter.unit}` : '');
  return (words ? ` (${words})` : '') + (allowed ? `: ${allowed}` : '');
}

/** A value as Python writes it, shortened. */
function shown(value: string): string {
  const short = value.length <= 60 ? value : `${value.slice(0, 59)}…`;
  return short.includes("'") && !short.includes('"') ? `"${short}"` : `'${short.replace(/'/g, "\\'")}'`;
}
