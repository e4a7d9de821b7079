/**
 * The search form. Each field tells at itself what is wrong with it.
 */
import type { TranslationBundle } from '@jupyterlab/translation';
import { JSX, ReactNode, useId, useState } from 'react';

import { messageOf } from '../errors';
import { formatPosition, Frame, parsePosition } from './coordinates';
import { SearchModel } from './model';
import { ISearchForm, targetParts } from './query';
import { formatTime, parseTime, TimeScale } from './times';

interface IProps {
  readonly model: SearchModel;
  readonly trans: TranslationBundle;
}

interface IFieldProps {
  readonly label: string;
  readonly unit?: string;
  readonly error?: string | undefined;
  readonly children: (id: string, describedBy: string | undefined) => ReactNode;
}

function Field({ label, unit, error, children }: IFieldProps): JSX.Element {
  const id = useId();
  return (
    <div className="jp-UWSSearch-field">
      <label htmlFor={id}>
        {label}
        {unit !== undefined && <span className="jp-UWS-unit"> [{unit}]</span>}
      </label>
      {children(id, error === undefined ? undefined : `${id}-error`)}
      {error !== undefined && (
        <span className="jp-UWS-error" id={`${id}-error`} role="alert">
          {error}
        </span>
      )}
    </div>
  );
}

export function SearchFormView({ model, trans }: IProps): JSX.Element {
  const { form, query, choices } = model;
  const text = (field: keyof ISearchForm & ('radius' | 'energyMin' | 'energyMax' | 'exposure'), label: string, unit: string): JSX.Element => (
    <Field label={label} unit={unit} error={query.errors[field]}>
      {(id, described) => (
        <input
          id={id}
          className="jp-mod-styled"
          inputMode="decimal"
          value={form[field]}
          aria-invalid={described !== undefined}
          aria-describedby={described}
          onChange={event => {
            model.setForm({ [field]: event.target.value });
          }}
        />
      )}
    </Field>
  );
  const choice = (field: 'productType' | 'collection' | 'instrument', label: string, values: readonly string[]): JSX.Element => (
    <Field label={label}>
      {id => model.remote !== null && field !== 'productType' ? (
        <input
          id={id}
          className="jp-mod-styled"
          placeholder={trans.__('any')}
          value={form[field]}
          onChange={event => {
            model.setForm({ [field]: event.target.value });
          }}
        />
      ) : (
        <div className="jp-select-wrapper">
          <select
            id={id}
            className="jp-mod-styled"
            value={form[field]}
            onChange={event => {
              model.setForm({ [field]: event.target.value });
            }}
          >
            <option value="">{trans.__('any')}</option>
            {[...new Set([...values, ...(form[field] === '' ? [] : [form[field]])])].map(value => (
              <option key={value} value={value}>
                {field === 'productType' && value === 'event' ? trans.__('event lists') : value}
              </option>
            ))}
          </select>
        </div>
      )}
    </Field>
  );
  if (!model.hasObscore) {
    return (
      <p className="jp-UWS-note" role="status">
        {trans.__('%1 has no table ivoa.obscore: its tables are asked in ADQL.', model.remote?.title ?? '')}
      </p>
    );
  }
  return (
    <form
      className="jp-UWSSearch-form"
      aria-label={trans.__('Search')}
      onSubmit={event => {
        event.preventDefault();
        void model.run();
      }}
    >
      <TargetField model={model} trans={trans} />
      <div className="jp-UWSSearch-pair">{text('radius', trans.__('Radius'), 'deg')}</div>
      <TimeFields model={model} trans={trans} field="start" label={trans.__('From')} />
      <TimeFields model={model} trans={trans} field="stop" label={trans.__('Until')} />
      <div className="jp-UWSSearch-pair">
        {text('energyMin', trans.__('Energy from'), 'TeV')}
        {text('energyMax', trans.__('Energy to'), 'TeV')}
      </div>
      <div className="jp-UWSSearch-pair">
        {choice('productType', trans.__('Product'), ['event', ...choices.productTypes])}
        {choice('collection', trans.__('Collection'), choices.collections)}
      </div>
      <div className="jp-UWSSearch-pair">
        {choice('instrument', trans.__('Instrument'), choices.instruments)}
        {text('exposure', trans.__('Min. exposure'), 's')}
      </div>
      <div className="jp-UWSSearch-buttons">
        <button
          type="submit"
          className="jp-mod-styled jp-mod-accept"
          disabled={model.answer.isRunning || (!model.isEdited && Object.keys(query.errors).length > 0)}
        >
          {model.isEdited ? trans.__('Run edited query') : trans.__('Search')}
        </button>
        {model.answer.isRunning && (
          <button
            type="button"
            className="jp-mod-styled"
            onClick={() => {
              model.answer.cancel();
            }}
          >
            {trans.__('Stop')}
          </button>
        )}
        <button
          type="button"
          className="jp-mod-styled"
          onClick={() => {
            model.clearForm();
          }}
        >
          {trans.__('Clear')}
        </button>
      </div>
    </form>
  );
}

/** Names with suggestions, or coordinates, which can be written in another frame; several with semicolons between. */
function TargetField({ model, trans }: IProps): JSX.Element {
  const list = useId();
  const [isOpen, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const { form, query } = model;
  const { names } = model.lookUp;
  const begin = form.target.lastIndexOf(';') + 1;
  const suggestions = isOpen ? names.suggest(form.target.slice(begin)) : [];
  const take = (name: string): void => {
    model.setForm({ target: form.target.slice(0, begin) + (begin ? ' ' : '') + name });
    setOpen(false);
    setAt(-1);
  };
  const rewrite = (frame: Frame): void => {
    model.setForm({ target: query.cones.map(cone => formatPosition(cone, frame)).join('; ') });
  };
  const isKnown = targetParts(form.target).every(isPosition);
  const error = model.isReady || isKnown ? query.errors.target : undefined;
  const unknown = unknownOf(model);
  return (
    <>
      <Field label={trans.__('Target')} error={isOpen && suggestions.length > 0 ? undefined : error}>
        {(id, described) => (
          <div className="jp-UWSSearch-target">
            <input
              id={id}
              className="jp-mod-styled"
              role="combobox"
              autoComplete="off"
              spellCheck={false}
              placeholder={trans.__('Crab, 83.63 22.01, 05:34:32 +22:00:52, 184.6 -5.8 galactic')}
              aria-expanded={suggestions.length > 0}
              aria-controls={list}
              aria-activedescendant={at >= 0 ? `${list}-${at}` : undefined}
              aria-invalid={described !== undefined}
              aria-describedby={described}
              value={form.target}
              onPaste={event => {
                // a column of a table: the field would run its lines together
                const lines = event.clipboardData.getData('text').split(/[\r\n]+/).map(line => line.trim()).filter(Boolean);
                if (lines.length > 1) {
                  event.preventDefault();
                  const input = event.currentTarget;
                  input.setRangeText(lines.join('; '), input.selectionStart ?? 0, input.selectionEnd ?? 0, 'end');
                  model.setForm({ target: input.value });
                }
              }}
              onChange={event => {
                model.setForm({ target: event.target.value });
                setOpen(true);
                setAt(-1);
              }}
              onBlur={() => {
                setOpen(false);
              }}
              onKeyDown={event => {
                const chosen = suggestions[at];
                if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
                  setOpen(true);
                  setAt(Math.max(-1, Math.min(suggestions.length - 1, at + (event.key === 'ArrowDown' ? 1 : -1))));
                  event.preventDefault();
                } else if (event.key === 'Escape') {
                  setOpen(false);
                } else if (event.key === 'Enter' && chosen !== undefined) {
                  take(chosen.name);
                  event.preventDefault();
                } else if (event.key === 'Enter' && model.lookUp.resolver(unknown) !== '') {
                  setOpen(false);
                  void model.lookUp.ask(unknown);
                  event.preventDefault();
                }
              }}
            />
            <ul id={list} role="listbox" aria-label={trans.__('Suggestions')} hidden={suggestions.length === 0}>
              {suggestions.map((suggestion, place) => (
                <li
                  key={suggestion.name}
                  id={`${list}-${place}`}
                  role="option"
                  aria-selected={place === at}
                  onPointerDown={event => {
                    event.preventDefault();
                    take(suggestion.name);
                  }}
                >
                  {suggestion.name} <span className="jp-UWS-unit">{suggestion.detail}</span>
                </li>
              ))}
            </ul>
          </div>
        )}
      </Field>
      <ResolverNote model={model} trans={trans} />
      {query.cones.length > 0 && (
        <p className="jp-UWSSearch-position">
          {query.cones.length > 1
            ? trans.__('%1 targets', targetParts(form.target).length)
            : query.cones.map(cone => formatPosition(cone, 'sexagesimal'))}
          {(['degrees', 'sexagesimal', 'galactic'] as const).map(frame => (
            <button
              key={frame}
              type="button"
              className="jp-UWS-link"
              onClick={() => {
                rewrite(frame);
              }}
            >
              {frame === 'degrees' ? trans.__('deg') : frame === 'sexagesimal' ? trans.__('hms') : trans.__('gal')}
            </button>
          ))}
        </p>
      )}
    </>
  );
}

/** The target that is to be looked up: the first that is in no list; a single one in any case. */
function unknownOf({ form, lookUp }: SearchModel): string {
  const parts = targetParts(form.target);
  return parts.find(part => lookUp.resolver(part) !== '') ?? (parts.length === 1 ? parts.join() : '');
}

/** Where a name is not in the lists: the resolver that can be asked, what it said, and afterwards that it was it. */
function ResolverNote({ model, trans }: IProps): JSX.Element | null {
  const target = unknownOf(model);
  const [asked, resolver, origin] = [model.lookUp.asked(target), model.lookUp.resolver(target), model.lookUp.origin(target)];
  if (origin !== '') {
    return <p className="jp-UWS-note jp-UWSSearch-resolver">{origin}</p>;
  }
  if (resolver === '') {
    return null;
  }
  const error = asked?.error ?? null;
  return (
    <p className="jp-UWSSearch-resolver">
      {error !== null && (
        <span className="jp-UWS-error" role="alert">
          {error}
        </span>
      )}
      {asked !== null && error === null ? (
        <span className="jp-UWS-note" role="status">
          {trans.__('Asking %1 …', resolver)}
        </span>
      ) : (
        <button
          type="button"
          className="jp-UWS-link"
          onClick={() => {
            void model.lookUp.ask(target);
          }}
        >
          {asked === null ? trans.__('Ask %1 for this name', resolver) : trans.__('Ask %1 again', resolver)}
        </button>
      )}
    </p>
  );
}

function isPosition(text: string): boolean {
  try {
    return parsePosition(text) !== null;
  } catch {
    return true;
  }
}

/** One time in a scale of choice; all scales of it are shown and can be edited. */
function TimeFields({ model, trans, field, label }: IProps & { field: 'start' | 'stop'; label: string }): JSX.Element {
  const [typed, setTyped] = useState<{ scale: TimeScale; text: string; error: string | null } | null>(null);
  const [isOpen, setOpen] = useState(false);
  const value = model.form[field];
  const input = (scale: TimeScale, title: string, unit: string, placeholder: string): JSX.Element => {
    const own = typed?.scale === scale ? typed : null;
    const error = own?.error ?? (scale === 'utc' ? model.query.errors[field] : undefined);
    return (
      <Field label={title} unit={unit} error={error}>
        {(id, described) => (
          <input
            id={id}
            className="jp-mod-styled"
            placeholder={placeholder}
            spellCheck={false}
            aria-invalid={described !== undefined}
            aria-describedby={described}
            value={own?.text ?? formatTime(value, scale)}
            onChange={event => {
              const text = event.target.value;
              try {
                model.setForm({ [field]: parseTime(text, scale, title) });
                setTyped({ scale, text, error: null });
              } catch (error) {
                setTyped({ scale, text, error: messageOf(error) });
              }
            }}
            onBlur={() => {
              if (own?.error === null) {
                setTyped(null);
              }
            }}
          />
        )}
      </Field>
    );
  };
  return (
    <div className="jp-UWSSearch-time">
      {input('utc', label, 'UTC', '2004-12-01T22:00:00')}
      <button
        type="button"
        className="jp-UWS-link"
        aria-expanded={isOpen}
        onClick={() => {
          setOpen(!isOpen);
        }}
      >
        {isOpen ? trans.__('UTC only') : trans.__('TT, MJD, MET')}
      </button>
      {isOpen && (
        <div className="jp-UWSSearch-scales">
          {input('tt', trans.__('%1, TT', label), 'TT', '2004-12-01T22:01:04.184')}
          {input('mjd', trans.__('%1, MJD', label), 'd, TT', '53340.9')}
          {input('met', trans.__('%1, MET', label), 's since 2001 UTC', '123546664')}
        </div>
      )}
    </div>
  );
}

/** Which archive is asked; nothing where there is the own one only. */
export function ServiceChoice({ model, trans }: IProps): JSX.Element | null {
  const { remote, remotes } = model;
  return remotes.length === 0 ? null : (
    <Field label={trans.__('Archive')}>
      {id => (
        <div className="jp-select-wrapper">
          <select
            id={id}
            className="jp-mod-styled"
            value={remote?.name ?? ''}
            onChange={event => void model.setService(event.target.value)}
          >
            <option value="">{trans.__('this observatory')}</option>
            {remotes.map(({ name, title, url }) => (
              <option key={name} value={name} title={url}>
                {title}
              </option>
            ))}
          </select>
        </div>
      )}
    </Field>
  );
}
