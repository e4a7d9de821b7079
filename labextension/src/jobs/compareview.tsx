/**
 * The parameters of two jobs side by side.
 */
import { useEffect, useState } from 'react';
import type { JSX } from 'react';

import { messageOf } from '../errors';
import { compare } from './compare';
import { IHost } from './host';
import { elapsed, IJobDocument, IJobRef, keyOf } from './job';
import { Button, Phase, Trouble } from './parts';

export function CompareView(props: {
  refs: readonly IJobRef[];
  read: (job: IJobRef) => Promise<IJobDocument>;
  host: IHost;
}): JSX.Element {
  const { refs, read, host } = props;
  const { trans } = host;
  const [jobs, setJobs] = useState<readonly IJobDocument[]>([]);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    Promise.all(refs.map(read)).then(setJobs, (reason: unknown) => {
      setError(messageOf(reason));
    });
  }, [refs.map(keyOf).join(' ')]);
  return (
    <div className="jp-UWSPage">
      <h2>{trans.__('Two jobs compared')}</h2>
      {error !== null && <Trouble title={trans.__('They cannot be compared.')} words={error} trans={trans} />}
      {jobs.length > 0 && (
        <table className="jp-UWSPage-comparison">
          <thead>
            <tr>
              <th scope="col">{trans.__('Parameter')}</th>
              {jobs.map(job => (
                <th scope="col" key={job.id}>
                  <Button act={() => { host.openJob(job); }}>{job.runId || job.id}</Button>
                  <div className="jp-UWSJobs-small">
                    {job.id}, {job.created?.toLocaleString()}
                  </div>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">{trans.__('Type')}</th>
              {jobs.map(job => (
                <td key={job.id}>{job.type}</td>
              ))}
            </tr>
            <tr>
              <th scope="row">{trans.__('Phase')}</th>
              {jobs.map(job => (
                <td key={job.id}>
                  <Phase phase={job.phase} /> {elapsed(job)}
                </td>
              ))}
            </tr>
            {compare(jobs).map(line => (
              <tr key={line.name} data-differs={line.differs}>
                <th scope="row">
                  {line.name} {line.differs && <span className="jp-UWSJobs-small">{trans.__('differs')}</span>}
                </th>
                {line.values.map((value, at) => (
                  <td key={at}>{value || '–'}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
