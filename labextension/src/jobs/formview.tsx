/**
 * The form of a new job, made from the description of its type.
 */
import { UseSignal } from '@jupyterlab/ui-components';
import { FormEvent, useId, useState } from 'react';
import type { JSX } from 'react';

import { bounds, isText } from './check';
import { defaultOf, IParameter } from './description';
import { DURATION, JobForm, RUN_ID } from './form';
import { attempt, IHost } from './host';
import { formatDuration, IJobDocument } from './job';
import { Button, Trouble } from './parts';
import { formCode } from './python';

interface IProps {
  readonly form: JobForm;
  readonly host: IHost;
  /** What becomes of the job that was made. */
  readonly done: (job: IJobDocument) => void;
}

export function FormView(props: IProps): JSX.Element {
  return <UseSignal signal={props.form.changed}>{() => <View {...props} />}</UseSignal>;
}

function View({ form, host, done }: IProps): JSX.Element {
  const { trans } = host;
  const { types, type, error, busy } = form;
  const typeId = useId();
  const submit = (run: boolean): void => {
    attempt(host, async () => {
      const job = await form.submit(run);
      if (job) {
        done(job);
      }
    });
  };
  const python = (): string => formCode(form);
  if (types === null) {
    return (
      <div className="jp-UWSPage">
        {error === null ? (
          <p className="jp-UWSJobs-note">{trans.__('Asking the service …')}</p>
        ) : (
          <Trouble
            title={trans.__('The service does not answer.')}
            words={error}
            trans={trans}
            retry={() => void form.load()}
          />
        )}
      </div>
    );
  }
  return (
    <form
      className="jp-UWSPage jp-UWSForm"
      noValidate
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        submit(true);
      }}
    >
      <h2>{trans.__('New job')}</h2>
      <div className="jp-UWSForm-field">
        <label htmlFor={typeId}>{trans.__('Job type')}</label>
        <select
          id={typeId}
          className="jp-mod-styled"
          value={type?.name ?? ''}
          onChange={event => { form.setType(event.target.value); }}
        >
          {types.map(each => (
            <option key={each.name} value={each.name}>
              {each.title && each.title !== each.name ? `${each.name}: ${each.title}` : each.name}
            </option>
          ))}
        </select>
        {type && <p className="jp-UWSForm-help">{type.description}</p>}
      </div>
      {type?.parameters.map(parameter => (
        <ParameterField key={`${type.name} ${parameter.name}`} parameter={parameter} form={form} host={host} />
      ))}
      <TextField
        form={form}
        name={RUN_ID}
        label={trans.__('Run id')}
        help={trans.__('A name of your own; jobs with the same one are grouped in the list.')}
      />
      {type && (
        <details>
          <summary>{trans.__('Cores, memory, time')}</summary>
          {form.resources().map(name => (
            <ResourceField key={name} form={form} name={name} host={host} />
          ))}
          <TextField
            form={form}
            name={DURATION}
            label={trans.__('Longest run [s]')}
            help={trans.__(
              '%1 unless you say otherwise; at most %2',
              formatDuration(type.execution_duration),
              formatDuration(type.execution_duration_max)
            )}
          />
        </details>
      )}
      {error !== null && <Trouble title={trans.__('The service has refused it.')} words={error} trans={trans} />}
      <div className="jp-UWSPage-bar jp-UWSForm-end">
        <button type="submit" className="jp-mod-styled jp-mod-accept" disabled={busy || !type}>
          {trans.__('Run now')}
        </button>
        <Button disabled={busy || !type} act={() => { submit(false); }}>
          {trans.__('Save as pending')}
        </Button>
        <span className="jp-UWSPage-space" />
        <Button disabled={!type} act={() => { host.copy(python()); }}>
          {trans.__('Copy as Python')}
        </Button>
        <Button disabled={!type} act={() => { attempt(host, () => host.insertCode(python())); }}>
          {trans.__('To notebook')}
        </Button>
      </div>
    </form>
  );
}

/** A label, an input that it names, what helps, and what is wrong. */
function Field(props: {
  name: string;
  label: string;
  help: string;
  form: JobForm;
  children: (attributes: { id: string; 'aria-describedby': string; 'aria-invalid': boolean }) => JSX.Element;
  required?: boolean;
}): JSX.Element {
  const id = useId();
  const problem = props.form.problem(props.name);
  return (
    <div className="jp-UWSForm-field" data-field={props.name}>
      <label htmlFor={id}>
        {props.label} {props.required && <span aria-hidden="true">*</span>}
      </label>
      {props.children({ id, 'aria-describedby': `${id}-help ${id}-problem`, 'aria-invalid': problem !== null })}
      <p className="jp-UWSForm-help" id={`${id}-help`}>
        {props.help}
      </p>
      <p className="jp-UWSForm-problem" id={`${id}-problem`} role={problem === null ? undefined : 'alert'}>
        {problem}
      </p>
    </div>
  );
}

function TextField(props: { form: JobForm; name: string; label: string; help: string }): JSX.Element {
  const { form, name, label, help } = props;
  return (
    <Field name={name} label={label} help={help} form={form}>
      {attributes => (
        <input
          {...attributes}
          className="jp-mod-styled"
          value={form.text(name)}
          onChange={event => { form.set(name, event.target.value); }}
        />
      )}
    </Field>
  );
}

function ResourceField({ form, name, host }: { form: JobForm; name: string; host: IHost }): JSX.Element {
  const resource = form.type?.resources[name.toLowerCase()];
  const unit = name === 'MEMORY' ? ' MiB' : '';
  const standard = resource?.default ? `${resource.default}${unit}` : host.trans.__('none');
  const most = resource?.maximum ? host.trans.__('at most %1', `${resource.maximum}${unit}`) : '';
  const help = [host.trans.__('default %1', standard), most].filter(Boolean).join('; ');
  const label = name.charAt(0) + name.slice(1).toLowerCase() + (unit && ` [${unit.trim()}]`);
  if (!resource?.choices) {
    return <TextField form={form} name={name} label={label} help={help} />;
  }
  return (
    <Field name={name} label={label} help={help} form={form}>
      {attributes => (
        <Choice attributes={attributes} choices={['', ...(resource.choices ?? [])]} form={form} name={name} />
      )}
    </Field>
  );
}

function Choice(props: {
  attributes: { id: string };
  choices: readonly (string | number)[];
  form: JobForm;
  name: string;
}): JSX.Element {
  const { attributes, choices, form, name } = props;
  return (
    <select
      {...attributes}
      className="jp-mod-styled"
      value={form.text(name)}
      onChange={event => { form.set(name, event.target.value); }}
    >
      {choices.map(choice => (
        <option key={choice}>{choice}</option>
      ))}
    </select>
  );
}

function ParameterField({ parameter, form, host }: { parameter: IParameter; form: JobForm; host: IHost }): JSX.Element {
  const { trans } = host;
  const { name } = parameter;
  const title = parameter.title && parameter.title !== name ? `${name}: ${parameter.title}` : name;
  const label = parameter.unit ? `${title} [${parameter.unit}]` : title;
  const standard = defaultOf(parameter);
  const isFile = parameter.type === 'file';
  const help = [
    parameter.description,
    bounds(parameter),
    parameter.multiple && (isFile ? trans.__('one or several') : trans.__('several, with blanks or commas between')),
    isFile && parameter.content_types.join(', '),
    standard && trans.__('default %1', standard)
  ];
  return (
    <Field
      name={name}
      label={label}
      help={help.filter(Boolean).join('; ')}
      form={form}
      required={parameter.required}
    >
      {attributes => {
        if (parameter.type === 'file') {
          return <FileInput attributes={attributes} parameter={parameter} form={form} host={host} />;
        }
        const text = form.text(name);
        if (parameter.type === 'boolean') {
          return (
            <input
              {...attributes}
              type="checkbox"
              checked={['true', 'yes', 'on', '1'].includes(text.toLowerCase())}
              onChange={event => { form.set(name, String(event.target.checked)); }}
            />
          );
        }
        if (parameter.choices && !parameter.multiple) {
          const choices = standard || parameter.required ? parameter.choices : ['', ...parameter.choices];
          return <Choice attributes={attributes} choices={text ? choices : ['', ...choices.filter(Boolean)]} form={form} name={name} />;
        }
        const common = {
          ...attributes,
          className: 'jp-mod-styled',
          value: text,
          onBlur: () => { form.touch(name); },
          onChange: (event: { target: { value: string } }) => { form.set(name, event.target.value); }
        };
        return parameter.multiple ? (
          <>
            <textarea {...common} rows={text.length > 80 ? 4 : 2} />
            {name.toLowerCase() === 'obs_ids' && <FromBasket field={name} form={form} host={host} />}
          </>
        ) : (
          <input {...common} inputMode={parameter.type === 'string' ? undefined : 'decimal'} />
        );
      }}
    </Field>
  );
}

/** The runs of a basket; the baskets are asked for when one is wanted. */
function FromBasket({ field, form, host }: { field: string; form: JobForm; host: IHost }): JSX.Element {
  const { trans } = host;
  const [names, setNames] = useState<readonly string[] | null>(null);
  if (names === null) {
    return <Button act={() => { attempt(host, async () => { setNames(await form.baskets()); }); }}>{trans.__('From a basket …')}</Button>;
  }
  return (
    <select
      className="jp-mod-styled"
      aria-label={trans.__('Basket')}
      defaultValue=""
      onChange={event => { attempt(host, () => form.take(field, event.target.value)); }}
    >
      <option value="" disabled>
        {names.length ? trans.__('Choose a basket') : trans.__('You have no baskets')}
      </option>
      {names.map(name => (
        <option key={name}>{name}</option>
      ))}
    </select>
  );
}

/** A file of this computer, one of those that the host keeps, or a URL. */
function FileInput(props: {
  attributes: { id: string };
  parameter: IParameter;
  form: JobForm;
  host: IHost;
}): JSX.Element {
  const { attributes, parameter, form, host } = props;
  const given = form.given(parameter.name);
  const choose = (): void => {
    attempt(host, async () => {
      const file = await host.pickFile();
      if (file) {
        form.addFiles(parameter, [file]);
      }
    });
  };
  return (
    <span className="jp-UWSPage-bar">
      <input
        {...attributes}
        className="jp-mod-styled"
        placeholder="https://"
        readOnly={!isText(given)}
        value={form.text(parameter.name)}
        onBlur={() => { form.touch(parameter.name); }}
        onChange={event => { form.set(parameter.name, event.target.value); }}
      />
      <Button act={choose}>{host.trans.__('From %1 …', host.files)}</Button>
      <label className="jp-UWSForm-upload jp-mod-styled">
        {host.trans.__('From this computer …')}
        <input
          type="file"
          accept={parameter.content_types.join(',') || undefined}
          multiple={parameter.multiple}
          onChange={event => { form.addFiles(parameter, [...(event.target.files ?? [])]); }}
        />
      </label>
      {!isText(given) && (
        <Button act={() => { form.set(parameter.name, ''); }}>{host.trans.__('Remove')}</Button>
      )}
    </span>
  );
}
