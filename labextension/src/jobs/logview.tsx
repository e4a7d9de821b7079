/**
 * stdout and stderr of a job while it writes them: follow, search, download.
 */
import { UseSignal } from '@jupyterlab/ui-components';
import { useEffect, useRef, useState } from 'react';
import type { JSX } from 'react';

import { Stream } from './api';
import { IHost } from './host';
import { Log } from './log';

export function Logs(props: {
  logs: Readonly<Record<Stream, Log>>;
  url: (stream: Stream) => string;
  host: IHost;
}): JSX.Element {
  const { logs, url, host } = props;
  const { trans } = host;
  const [stream, setStream] = useState<Stream>('stdout');
  const [search, setSearch] = useState('');
  const [follow, setFollow] = useState(true);
  return (
    <section aria-label={trans.__('Log')}>
      <div className="jp-UWSPage-bar">
        <h3>{trans.__('Log')}</h3>
        {(['stdout', 'stderr'] as const).map(each => (
          <button
            key={each}
            type="button"
            className="jp-UWSPage-toggle"
            aria-pressed={stream === each}
            onClick={() => { setStream(each); }}
          >
            {each}
          </button>
        ))}
        <input
          type="search"
          className="jp-mod-styled"
          aria-label={trans.__('Lines of the log with')}
          placeholder={trans.__('Search')}
          value={search}
          onChange={event => { setSearch(event.target.value); }}
        />
        <label>
          <input type="checkbox" checked={follow} onChange={event => { setFollow(event.target.checked); }} />
          {trans.__('Follow')}
        </label>
        <a href={url(stream)} download={`${stream}.txt`}>
          {trans.__('Download')}
        </a>
      </div>
      <UseSignal signal={logs[stream].changed}>
        {() => <Lines log={logs[stream]} name={stream} search={search} follow={follow} host={host} />}
      </UseSignal>
    </section>
  );
}

function Lines(props: { log: Log; name: string; search: string; follow: boolean; host: IHost }): JSX.Element {
  const { log, name, search, follow, host } = props;
  const box = useRef<HTMLPreElement>(null);
  const wanted = search.toLowerCase();
  const lines = log.text.split('\n');
  const found = wanted ? lines.filter(line => line.toLowerCase().includes(wanted)) : lines;
  const shown = found.join('\n');
  useEffect(() => {
    if (follow && box.current) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [shown, follow]);
  return (
    <>
      {log.error !== null && <p role="alert">{log.error}</p>}
      {log.cut && <p className="jp-UWSJobs-note">{host.trans.__('The end of a long log; download it for all.')}</p>}
      <pre ref={box} tabIndex={0} className="jp-UWSPage-log" aria-label={name}>
        {shown || host.trans.__(wanted ? 'No line has that.' : 'Nothing was written.')}
      </pre>
    </>
  );
}
