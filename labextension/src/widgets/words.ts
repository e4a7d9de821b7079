/**
 * The words of the views as they are written: a widget has no language packs.
 */
import type { TranslationBundle } from '@jupyterlab/translation';

function put(text: string, values: readonly unknown[]): string {
  return text.replace(/%(\d+)/g, (mark, number: string) => `${(values[Number(number) - 1] ?? mark) as string | number}`);
}

function one(text: string, ...values: unknown[]): string {
  return put(text, values);
}

function several(single: string, plural: string, count: number, ...values: unknown[]): string {
  return put(count === 1 ? single : plural, [count, ...values]);
}

export const words: TranslationBundle = {
  __: one,
  gettext: one,
  _n: several,
  ngettext: several,
  _p: (_, text, ...values: unknown[]) => put(text, values),
  pgettext: (_, text, ...values: unknown[]) => put(text, values),
  _np: (_, single, plural, count, ...values: unknown[]) => several(single, plural, count, ...values),
  npgettext: (_, single, plural, count, ...values: unknown[]) => several(single, plural, count, ...values),
  dcnpgettext: (_, __, single, plural, count, ...values: unknown[]) => several(single, plural, count, ...values)
};
