/**
 * What a query's error says may have been meant, as changes of its text.
 */

export interface IFix {
  readonly from: number;
  readonly to: number;
  readonly insert: string;
}

/** The changes that a service proposes in its message, for the error at a place of the query (from 0). */
export function fixesOf(message: string, query: string, place: number): IFix[] {
  const at = (wrong: string, inserts: readonly string[], from = place): IFix[] =>
    query.slice(from, from + wrong.length).toLowerCase() === wrong.toLowerCase()
      ? inserts.map(insert => ({ from, to: from + wrong.length, insert }))
      : [];
  const [, word, instead] = /; did you mean ([\w ]+) instead of (\w+)\?$/.exec(message) ?? [];
  if (word !== undefined && instead !== undefined) {
    // the word itself stands a little before the place where the query could not be read any more
    return at(instead, [word], query.slice(0, place + instead.length).toLowerCase().lastIndexOf(instead.toLowerCase()));
  }
  const [, wrong, names] = /there is no (?:column|table|function) '?([\w.]+)'?.*; did you mean ([\w." ]+)\?$/.exec(message) ?? [];
  if (wrong !== undefined && names !== undefined) {
    return at(wrong, names.split(' or '));
  }
  const [, text, literal] = /there is no column ("[^"]*").*single quotes, ('.*')$/.exec(message) ?? [];
  return text !== undefined && literal !== undefined ? at(text, [literal]) : [];
}
