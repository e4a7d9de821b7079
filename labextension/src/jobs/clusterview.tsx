/**
 * The page of the cluster: workers, allocations and why they wait, recent failures, Dask's dashboard.
 */
import { useCallback, useEffect, useState } from 'react';
import type { JSX } from 'react';

import { messageOf } from '../errors';
import { ICluster, stateOf, summary } from './cluster';
import { IHost } from './host';
import { Refresh, Trouble } from './parts';

/** Milliseconds between two looks while the page is in sight. */
const INTERVAL = 3000;

export function ClusterView(props: {
  read: () => Promise<ICluster>;
  dashboard: string;
  isVisible: () => boolean;
  host: IHost;
}): JSX.Element {
  const { read, dashboard, isVisible, host } = props;
  const { trans } = host;
  const [cluster, setCluster] = useState<ICluster | null>(null);
  const [error, setError] = useState<string | null>(null);
  const look = useCallback(async () => {
    try {
      setCluster(await read());
      setError(null);
    } catch (reason) {
      setError(messageOf(reason));
    }
  }, [read]);
  useEffect(() => {
    void look();
    const timer = setInterval(() => {
      if (isVisible() && !document.hidden) {
        void look();
      }
    }, INTERVAL);
    return () => {
      clearInterval(timer);
    };
  }, [look, isVisible]);
  return (
    <div className="jp-UWSPage">
      <header className="jp-UWSPage-bar">
        <h2>{trans.__('Cluster')}</h2>
        <Refresh label={trans.__('Refresh')} act={() => void look()} />
      </header>
      {error !== null && (
        <Trouble title={trans.__('The service does not answer.')} words={error} trans={trans} retry={() => void look()} />
      )}
      {cluster && (
        <>
          <p>{summary(cluster, trans)}</p>
          <p>{trans.__('%1 running, %2 queued', `${cluster.running}`, `${cluster.waiting}`)}</p>
          {cluster.dashboard && (
            <p>
              <a href={dashboard} target="_blank" rel="noreferrer">
                {trans.__("Dask's dashboard")}
              </a>
            </p>
          )}
          {cluster.allocations.length > 0 && (
            <table>
              <thead>
                <tr>
                  <th scope="col">{trans.__('Worker')}</th>
                  <th scope="col">{trans.__('State')}</th>
                  <th scope="col">{trans.__('Details')}</th>
                </tr>
              </thead>
              <tbody>
                {cluster.allocations.map(each => (
                  <tr key={each.worker || each.job_id}>
                    <td>{each.job_id ?? each.name ?? each.worker}</td>
                    <td>{stateOf(each, trans)}</td>
                    <td>{[each.reason, each.shape, each.helps].filter(Boolean).join(' · ')}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          {cluster.failures.length > 0 && (
            <>
              <h3>{trans.__('Recent failures')}</h3>
              <ul>
                {cluster.failures.map(([time, words]) => (
                  <li key={`${time} ${words}`}>
                    {time}: {words}
                  </li>
                ))}
              </ul>
            </>
          )}
        </>
      )}
    </div>
  );
}
