/**
 * The widget of the archive search; jobs are started from it as well.
 */
import { UseSignal } from '@jupyterlab/ui-components';

import { Baskets, BasketService } from '../baskets/model';
import { messageOf } from '../errors';
import { ISearchActions } from '../search/actions';
import { ArchiveService } from '../search/api';
import { SearchModel } from '../search/model';
import { EMPTY_FORM, pythonOf } from '../search/query';
import { SearchView } from '../search/view';
import { Desk, IPage, Place } from './desk';
import { widget } from './frame';
import { jobsPage } from './pages';

/** Rows that are fetched at first: they come through the kernel. */
const ROWS = 20_000;

export default widget((desk, place) => (place.kind === 'search' ? searchPage(desk, place) : jobsPage(desk, place)));

function searchPage(desk: Desk, { form, adql }: Extract<Place, { kind: 'search' }>): IPage {
  const { transport, host } = desk;
  const { trans } = host;
  const model = new SearchModel(new ArchiveService(transport));
  const formats = { dates: true, energies: true, sexagesimal: false };
  model.setDefaults({ ...formats, service: '', radius: Number(EMPTY_FORM.radius), rows: ROWS, hidden: [] });
  model.restore({ form: { ...EMPTY_FORM, ...form }, edited: adql ?? null });
  const tell = (): void => {
    desk.tell('adql', model.answer.result?.adql ?? '');
    desk.tell('runs', model.selectedDids());
  };
  model.changed.connect(tell);
  model.rows.selection.changed.connect(tell);
  const start = async (): Promise<void> => {
    await model.load(); // it knows the names of targets
    if (form?.target || adql) {
      await model.run();
    }
  };
  void start();
  const baskets = new Baskets(new BasketService(transport));
  const actions: ISearchActions = {
    openInNotebook: code => {
      desk.showCode(code);
      return Promise.resolve(trans.__('The code is shown above.'));
    },
    newJob: runs => {
      host.openNewJob(runs);
    },
    view: null,
    notify: (words, kind) => {
      if (kind === 'error') {
        desk.complain(words);
      }
    },
    copy: text => {
      host.copy(text);
    },
    survey: null, // the page of a notebook may be anybody's
    confirm: (title, body, accept) => host.confirm({ title, body, accept })
  };
  return {
    kind: 'search',
    view: (
      <div className="jp-UWSSearch">
        <UseSignal signal={model.changed}>{() => <SearchView model={model} baskets={baskets} actions={actions} trans={trans} />}</UseSignal>
      </div>
    ),
    code: () => codeOf(model),
    changed: model.changed,
    dispose: () => {
      model.answer.cancel();
    }
  };
}

/** The query and the selection as Python; of more runs than can be named, why they cannot. */
function codeOf(model: SearchModel): string {
  try {
    return pythonOf(model.adql, model.selectedDids(), model.remote?.url, model.rows.table?.rowCount);
  } catch (error) {
    return `# ${messageOf(error)}\n`;
  }
}
