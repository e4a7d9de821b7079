/**
 * What a TAP service tells beside its TAP_SCHEMA: how many rows its tables have, and examples of queries.
 */

/** `nrows` of VODataService 1.2 in VOSI's document of the tables, by their names in small letters. */
export function readTableRows(xml: string): Map<string, number> {
  const found = new Map<string, number>();
  // a document with a DTD could be made to grow without end
  const root = /<!DOCTYPE/i.test(xml) ? null : new DOMParser().parseFromString(xml, 'application/xml').documentElement;
  for (const table of root?.localName === 'tableset' ? root.getElementsByTagName('table') : []) {
    const text = (name: string): string =>
      [...table.children].find(child => child.localName === name)?.textContent?.trim() ?? '';
    if (/^\d{1,15}$/.test(text('nrows'))) {
      found.set(text('name').toLowerCase(), Number(text('nrows')));
    }
  }
  return found;
}

export interface IExample {
  readonly name: string;
  readonly adql: string;
}

/** Examples that are shown at most. */
const EXAMPLES = 50;

/** The examples of a page with RDFa (DALI 1.1, section 2.3). Nothing of it is shown or run as a page. */
export function readExamples(page: string): IExample[] {
  const found = [...new DOMParser().parseFromString(page, 'text/html').querySelectorAll('[typeof~="example"]')];
  const text = (example: Element, property: string): string =>
    example.querySelector(`[property~="${property}"]`)?.textContent?.trim() ?? '';
  return found
    .map(example => ({ name: text(example, 'name') || text(example, 'query').slice(0, 60), adql: text(example, 'query') }))
    .filter(({ adql }) => adql !== '')
    .slice(0, EXAMPLES);
}
