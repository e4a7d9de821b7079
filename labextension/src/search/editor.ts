/**
 * The editor of ADQL on CodeMirror: highlighting, completion of the service's tables, errors at their place.
 * A module of its own, for it is loaded when a search is opened.
 */
import { autocompletion, CompletionContext, completionKeymap, CompletionResult } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { sql, StandardSQL } from '@codemirror/lang-sql';
import { defaultHighlightStyle, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { lintGutter, setDiagnostics } from '@codemirror/lint';
import { EditorState, Prec } from '@codemirror/state';
import { EditorView, keymap, tooltips } from '@codemirror/view';
import { tags } from '@lezer/highlight';

import { fixesOf } from './fixes';
import { FUNCTIONS, ISchemaTable } from './schema';

const KEYWORDS = `SELECT TOP DISTINCT FROM WHERE AND OR NOT IN BETWEEN LIKE IS NULL ORDER BY ASC DESC GROUP HAVING JOIN
 INNER LEFT RIGHT FULL OUTER ON USING NATURAL AS UNION ALL EXCEPT INTERSECT EXISTS WITH OFFSET CAST`.split(/\s+/);

const COLOURS = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--jp-mirror-editor-keyword-color)', fontWeight: 'bold' },
  { tag: tags.string, color: 'var(--jp-mirror-editor-string-color)' },
  { tag: tags.number, color: 'var(--jp-mirror-editor-number-color)' },
  { tag: tags.comment, color: 'var(--jp-mirror-editor-comment-color)' },
  { tag: tags.operator, color: 'var(--jp-mirror-editor-operator-color)' }
]);

const LOOK = EditorView.theme({
  '.cm-tooltip': {
    border: 'var(--jp-border-width) solid var(--jp-border-color1)',
    background: 'var(--jp-layout-color1)',
    color: 'var(--jp-ui-font-color1)'
  },
  '.cm-tooltip-autocomplete ul li[aria-selected]': {
    background: 'var(--jp-brand-color1)',
    color: 'var(--jp-ui-inverse-font-color1)'
  },
  '.cm-completionDetail': { marginLeft: '1em', fontStyle: 'normal', opacity: 0.8 }
});

export interface IEditorOptions {
  readonly label: string;
  readonly schema: () => readonly ISchemaTable[];
  readonly changed: (text: string) => void;
  readonly run: () => void;
  /** The label of a button that puts a word in place of another. */
  readonly fix: (word: string) => string;
}

export interface IEditor {
  setText(text: string): void;
  insert(text: string): void;
  /** Mark a place (both from 1), or nothing. */
  mark(place: { line: number; column: number; message: string } | null): void;
  dispose(): void;
}

export function createEditor(parent: HTMLElement, text: string, options: IEditorOptions): IEditor {
  let isOwn = false;
  const run = (): boolean => {
    options.run();
    return true;
  };
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        history(),
        sql({ dialect: StandardSQL, upperCaseKeywords: true }),
        autocompletion({ override: [context => complete(context, options.schema())] }),
        syntaxHighlighting(COLOURS),
        syntaxHighlighting(defaultHighlightStyle, { fallback: true }),
        lintGutter(),
        // beside the editor, which is a few lines high
        tooltips({ parent: document.body, position: 'fixed' }),
        LOOK,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-label': options.label }),
        Prec.highest(
          keymap.of([
            { key: 'Ctrl-Enter', run },
            { key: 'Cmd-Enter', run },
            { key: 'Shift-Enter', run }
          ])
        ),
        keymap.of([...completionKeymap, ...historyKeymap, ...defaultKeymap]),
        EditorView.updateListener.of(update => {
          if (update.docChanged && !isOwn) {
            options.changed(update.state.doc.toString());
          }
        })
      ]
    })
  });
  return {
    setText: changed => {
      if (changed !== view.state.doc.toString()) {
        isOwn = true;
        view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: changed } });
        isOwn = false;
      }
    },
    insert: inserted => {
      view.dispatch(view.state.replaceSelection(inserted));
      view.focus();
    },
    mark: place => {
      const { doc } = view.state;
      if (place === null || place.line > doc.lines) {
        view.dispatch(setDiagnostics(view.state, []));
        return;
      }
      const line = doc.line(place.line);
      const from = Math.min(line.to, line.from + place.column - 1);
      const word = /^\w*/.exec(doc.sliceString(from, line.to))?.[0].length ?? 0;
      const to = Math.min(line.to, from + Math.max(1, word));
      const { message } = place;
      const actions = fixesOf(message, doc.toString(), from).map(fix => ({
        name: options.fix(fix.insert),
        apply: () => {
          view.dispatch({ changes: fix });
          view.focus();
        }
      }));
      view.dispatch(setDiagnostics(view.state, [{ from, to, severity: 'error', message, actions }]));
    },
    dispose: () => {
      view.destroy();
    }
  };
}

/** Tables, the columns of those that the query names (of all where it names none), functions, keywords. */
function complete(context: CompletionContext, schema: readonly ISchemaTable[]): CompletionResult | null {
  const word = context.matchBefore(/[\w.]+/);
  if (word === null && !context.explicit) {
    return null;
  }
  const query = context.state.doc.toString().toLowerCase();
  const named = schema.filter(table => query.includes(table.name.toLowerCase()));
  const columns = (named.length > 0 ? named : schema).flatMap(table =>
    table.columns.map(column => ({
      label: column.name,
      type: 'property',
      detail: [column.unit, column.ucd].filter(part => part !== '').join(' · '),
      info: column.description || table.name,
      boost: 2
    }))
  );
  const unique = [...new Map(columns.map(column => [column.label, column])).values()];
  return {
    from: word?.from ?? context.pos,
    validFor: /^[\w.]*$/,
    options: [
      ...unique,
      ...schema.map(table => ({ label: table.name, type: 'class', boost: 1 })),
      ...FUNCTIONS.map(name => ({ label: name, type: 'function', apply: `${name}(` })),
      ...KEYWORDS.map(label => ({ label, type: 'keyword' }))
    ]
  };
}
