/**
 * Names of targets: the service's list of well-known sources, and what the archive's observers called their runs.
 */
import { IPosition, parsePosition } from './coordinates';

/** A row of the service's list. */
export interface ISource extends IPosition {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly kind: string;
  readonly reference: string;
}

/** What the service says of names. */
export interface INames {
  readonly targets: readonly ISource[];
  /** The host of the resolver that the operator lets the service ask for others; '' for none. */
  readonly resolver: string;
}

export interface ISuggestion {
  readonly name: string;
  /** What stands behind it: the kind of source and the name it matched by, or that it is the archive's own. */
  readonly detail: string;
}

/** Names that differ only in case, blanks, hyphens and usual abbreviations become the same text. */
export function normalise(name: string): string {
  return name
    .toLowerCase()
    .replace(/[‐-―−]/g, '-')
    .replace(/\b(markarian|mkn|mrk|mkr)(?=[\s.\d-])/g, 'mrk')
    .replace(/\b(messier)(?=[\s\d])/g, 'm')
    .replace(/\bg\.?c\.?$/, 'gc')
    .replace(/[\s\-_.,;:'"()*]/g, '');
}

/** All names that can be looked up, for as long as a panel is open. */
export class TargetNames {
  constructor(
    readonly sources: readonly ISource[] = [],
    /** `target_name` of the archive's runs. */
    readonly observed: readonly string[] = []
  ) {
    for (const source of sources) {
      for (const name of [source.name, ...source.aliases]) {
        this._index.set(normalise(name), source);
      }
    }
  }

  /** The source of exactly this name, in any usual spelling. */
  find(name: string): ISource | null {
    return this._index.get(normalise(name)) ?? null;
  }

  /** Whether the text is a name, and one that is in neither list. */
  isUnknown(text: string): boolean {
    try {
      return text.trim() !== '' && parsePosition(text) === null && this.find(text) === null && this.findObserved(text) === null;
    } catch {
      return false; // coordinates that are not on the sky
    }
  }

  /** The name as the archive has it. */
  findObserved(name: string): string | null {
    const wanted = name.trim().toLowerCase();
    return this.observed.find(known => known.toLowerCase() === wanted) ?? null;
  }

  /** Names that contain what was typed, those that begin with it first. */
  suggest(text: string, count = 8): ISuggestion[] {
    const wanted = normalise(text);
    if (wanted === '') {
      return [];
    }
    const found: { rank: number; suggestion: ISuggestion }[] = [];
    for (const source of this.sources) {
      const names = [source.name, ...source.aliases];
      const matched = names.find(name => normalise(name).startsWith(wanted));
      const inside = matched ?? names.find(name => normalise(name).includes(wanted));
      if (inside !== undefined) {
        const also = inside === source.name ? '' : `, ${inside}`;
        found.push({
          rank: matched === undefined ? 2 : 0,
          suggestion: { name: source.name, detail: source.kind + also }
        });
      }
    }
    for (const name of this.observed) {
      const at = normalise(name).indexOf(wanted);
      if (at >= 0 && !found.some(({ suggestion }) => suggestion.name === name)) {
        found.push({ rank: at === 0 ? 1 : 3, suggestion: { name, detail: 'in this archive' } });
      }
    }
    return found
      .sort((a, b) => a.rank - b.rank || a.suggestion.name.localeCompare(b.suggestion.name))
      .slice(0, count)
      .map(({ suggestion }) => suggestion);
  }

  private readonly _index = new Map<string, ISource>();
}
