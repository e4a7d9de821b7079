/**
 * A file that Python can open by itself, so that the code of a form can name it.
 */

export class KnownFile extends File {
  /** `path` is what the form shows, `code` what opens the file in Python; null where no short code can. */
  constructor(
    content: BlobPart,
    name: string,
    type: string,
    readonly path: string,
    readonly code: string | null
  ) {
    super([content], name, { type });
  }
}
