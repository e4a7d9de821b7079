/**
 * Names of targets that are known here, and the online resolver for those that are not.
 */
import { messageOf } from '../errors';
import { IArchiveService } from './api';
import { INames, ISource, TargetNames } from './targets';

/** Sources of the online resolver that are remembered. */
const RESOLVED = 50;

/** A name that the online resolver was asked for. */
export interface ILookUp {
  readonly name: string;
  /** Why there is no answer; null while it is waited for. */
  readonly error: string | null;
}

export class LookUp {
  constructor(
    private readonly _service: IArchiveService,
    private readonly _changed: () => void
  ) {}

  get names(): TargetNames {
    return this._names;
  }

  /** What the online resolver found. */
  get resolved(): readonly ISource[] {
    return this._resolved;
  }

  /** The host that can be asked for a name; '' where it is known, or nobody can be asked. */
  resolver(name: string): string {
    return this._names.isUnknown(name) ? this._resolver : '';
  }

  /** How the question for a name stands; null where none was asked, or it was answered. */
  asked(name: string): ILookUp | null {
    return this._asked?.name === name ? this._asked : null;
  }

  /** Where the position of a name is from, where that is not the list; '' otherwise. */
  origin(name: string): string {
    const found = this._names.find(name);
    return found !== null && this._resolved.includes(found) ? [found.kind, found.reference].filter(Boolean).join(' · ') : '';
  }

  /** Take up what the resolver found in another session. */
  restore(resolved: readonly ISource[]): void {
    this._resolved = resolved;
    this._name();
  }

  /** Take the service's list, and the names of an archive's runs. */
  setNames({ targets, resolver }: INames, observed: readonly string[]): void {
    this._resolver = resolver;
    this._listed = targets;
    this._observed = observed;
    this._name();
  }

  /** Ask the operator's resolver for a name. Never rejects: `asked` tells. */
  async ask(name: string): Promise<void> {
    const asked = this.asked(name);
    if (this.resolver(name) === '' || (asked !== null && asked.error === null)) {
      return;
    }
    this._asked = { name, error: null };
    this._changed();
    try {
      const { targets } = await this._service.sources(name.trim());
      // as typed, too: it is looked up by that
      const found = targets.map(source => ({ ...source, aliases: [...source.aliases, name.trim()] }));
      this._resolved = [...found, ...this._resolved].slice(0, RESOLVED);
      this._name();
      this._asked = null;
    } catch (error) {
      this._asked = { name, error: messageOf(error) };
    }
    this._changed();
  }

  private _name(): void {
    // a name means the source of the list where it is in both: what comes later counts
    this._names = new TargetNames([...this._resolved, ...this._listed], this._observed);
  }

  private _names = new TargetNames();
  private _listed: readonly ISource[] = [];
  private _observed: readonly string[] = [];
  private _resolved: readonly ISource[] = [];
  private _resolver = '';
  private _asked: ILookUp | null = null;
}
