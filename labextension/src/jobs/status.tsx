/**
 * The item in the status bar: how many jobs run and wait.
 */
import { UseSignal } from '@jupyterlab/ui-components';
import type { JSX } from 'react';

import { jobsIcon } from '../icons';
import { Activity } from './activity';
import { JobEvents } from './events';
import { IHost } from './host';

export function JobsStatus(props: { activity: Activity; events: JobEvents; host: IHost; open: () => void }): JSX.Element {
  const { activity, events, host, open } = props;
  return (
    <UseSignal signal={activity.changed}>
      {() => (
        <UseSignal signal={events.stateChanged}>
          {() => {
            const { running, queued, more } = activity.counts;
            const plus = more ? '+' : '';
            const words = host.trans.__('%1 running, %2 queued', `${running}`, `${queued}${plus}`);
            const title = events.error ?? host.trans.__('Jobs: %1', words);
            return (
              <button type="button" className="jp-UWSJobs-status" title={title} aria-label={title} onClick={open}>
                <jobsIcon.react tag="span" />
                {events.error === null ? `${running} | ${queued}${plus}` : '!'}
              </button>
            );
          }}
        </UseSignal>
      )}
    </UseSignal>
  );
}
