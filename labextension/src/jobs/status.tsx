/**
 * The item in the status bar: how many jobs run and wait; looked at, also the state of the cluster.
 */
import { UseSignal } from '@jupyterlab/ui-components';
import { useState } from 'react';
import type { JSX } from 'react';

import { jobsIcon } from '../icons';
import { Activity } from './activity';
import { ICluster, summary } from './cluster';
import { JobEvents } from './events';
import { IHost } from './host';

export function JobsStatus(props: {
  activity: Activity;
  events: JobEvents;
  cluster: () => Promise<ICluster>;
  host: IHost;
  open: () => void;
}): JSX.Element {
  const { activity, events, cluster, host, open } = props;
  const [state, setState] = useState('');
  const look = (): void => {
    cluster().then(
      found => {
        setState(summary(found, host.trans));
      },
      () => {
        setState(''); // the stream tells why
      }
    );
  };
  return (
    <UseSignal signal={activity.changed}>
      {() => (
        <UseSignal signal={events.stateChanged}>
          {() => {
            const { running, queued, more } = activity.counts;
            const plus = more ? '+' : '';
            const words = host.trans.__('%1 running, %2 queued', `${running}`, `${queued}${plus}`);
            const title = events.error ?? [host.trans.__('Jobs: %1', words), state].filter(Boolean).join('\n');
            return (
              <button type="button" className="jp-UWSJobs-status" title={title} aria-label={title} onClick={open} onPointerEnter={look} onFocus={look}>
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
