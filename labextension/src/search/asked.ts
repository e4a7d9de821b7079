/**
 * What a service is asked once, when somebody looks at it.
 */
import { IArchiveService } from './api';

export class Asked<T> {
  constructor(
    private readonly _ask: (service: IArchiveService) => Promise<T>,
    /** What is known before there is an answer, and without one. */
    private readonly _nothing: T,
    private readonly _changed: () => void
  ) {}

  of(service: IArchiveService): T {
    return this._found.get(service) ?? this._nothing;
  }

  /** Never rejects: without an answer nothing is known. */
  async load(service: IArchiveService): Promise<void> {
    if (!this._found.has(service)) {
      this._found.set(service, this._nothing);
      try {
        this._found.set(service, await this._ask(service));
        this._changed();
      } catch {
        // it can be done without
      }
    }
  }

  private readonly _found = new WeakMap<IArchiveService, T>();
}
