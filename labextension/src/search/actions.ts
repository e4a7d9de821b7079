/**
 * What the search needs of the program around it; the plugin gives these for JupyterLab.
 */
import { ISurvey } from '../sky/images';
import { IPosition } from './coordinates';

export interface ISearchActions {
  /** Put a cell with this code into the notebook, and run it; resolves to a sentence about where. */
  readonly openInNotebook: (code: string) => Promise<string>;
  /** Offer a job for these runs; null where there is no form for jobs. */
  readonly newJob: ((runs: { obs_ids: readonly string[]; position?: IPosition }) => void) | null;
  /** Show a file of this server in a tab; null where there are no tabs. */
  readonly view: ((url: string, mime: string) => void) | null;
  /** Images that may be shown behind the sky; null where the operator has chosen none. */
  readonly survey: ISurvey | null;
  readonly notify: (words: string, kind: 'success' | 'error') => void;
  readonly copy: (text: string) => void;
  readonly confirm: (title: string, words: string, action: string) => Promise<boolean>;
}
