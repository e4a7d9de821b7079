/**
 * Small pieces that several views show.
 */
import { LabIcon, refreshIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactNode, useEffect, useState } from 'react';
import type { JSX } from 'react';

/** The phase in the standard's word; its colour is beside the word, never instead of it. */
export function Phase({ phase }: { phase: string }): JSX.Element {
  return (
    <span className="jp-UWSJobs-phase" data-phase={phase}>
      {phase}
    </span>
  );
}

export function Progress({ value, label }: { value: number; label: string }): JSX.Element {
  const percent = Math.round(100 * value);
  return (
    <div
      className="jp-UWSJobs-progress"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <div style={{ width: `${percent}%` }} />
    </div>
  );
}

/** A button that is an icon alone; `label` is its name and its tooltip. */
export function IconButton(props: {
  icon: LabIcon;
  label: string;
  act: () => void;
  pressed?: boolean;
  disabled?: boolean;
}): JSX.Element {
  return (
    <button
      type="button"
      className="jp-UWSJobs-icon"
      title={props.label}
      aria-label={props.label}
      aria-pressed={props.pressed}
      disabled={props.disabled}
      onClick={event => {
        event.stopPropagation();
        props.act();
      }}
    >
      <props.icon.react tag="span" />
    </button>
  );
}

export function Button(props: {
  children: ReactNode;
  act: () => void;
  kind?: 'accept' | 'warn';
  disabled?: boolean;
}): JSX.Element {
  const kind = props.kind ? ` jp-mod-${props.kind}` : '';
  return (
    <button
      type="button"
      className={`jp-mod-styled jp-mod-minimal-size${kind}`}
      disabled={props.disabled}
      onClick={props.act}
    >
      {props.children}
    </button>
  );
}

/** Something that went wrong, in the service's words, and a way to try again. */
export function Trouble(props: {
  title: string;
  words: string | null;
  trans: TranslationBundle;
  retry?: () => void;
}): JSX.Element {
  return (
    <div className="jp-UWSJobs-trouble" role="alert">
      <strong>{props.title}</strong>
      {props.words !== null && <p>{props.words}</p>}
      {props.retry && <Button act={props.retry}>{props.trans.__('Retry')}</Button>}
    </div>
  );
}

export function Refresh({ label, act }: { label: string; act: () => void }): JSX.Element {
  return <IconButton icon={refreshIcon} label={label} act={act} />;
}

/** The time, each second while `running`. */
export function useNow(running: boolean): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    if (!running) {
      return undefined;
    }
    const timer = setInterval(() => {
      setNow(new Date());
    }, 1000);
    return () => {
      clearInterval(timer);
    };
  }, [running]);
  return now;
}
