/**
 * Where a job's results come from, and what was made of them, as a small graph from left to right.
 */
import { useEffect, useRef, useState } from 'react';
import type { JSX } from 'react';

import { messageOf } from '../errors';
import { attempt, IHost } from './host';
import { IJobDocument } from './job';
import { Button, Phase } from './parts';
import { columnsOf, IProvEdge, IProvenance, IProvNode, layoutOf, NODE } from './provenance';
import { lineage } from './python';

interface IProps {
  readonly job: IJobDocument;
  readonly read: () => Promise<IProvenance>;
  readonly host: IHost;
}

/** Nothing is asked for before it is opened. */
export function ProvenanceView({ job, read, host }: IProps): JSX.Element {
  const { trans } = host;
  const [isOpen, setOpen] = useState(false);
  const [found, setFound] = useState<IProvenance | null>(null);
  const [error, setError] = useState('');
  useEffect(() => {
    if (isOpen) {
      setError('');
      read().then(setFound, (reason: unknown) => {
        setError(messageOf(reason));
      });
    }
  }, [isOpen, job.id, job.phase]);
  return (
    <section aria-label={trans.__('Provenance')}>
      <details
        className="jp-UWSProv"
        onToggle={event => {
          setOpen(event.currentTarget.open);
        }}
      >
        <summary>
          <h3>{trans.__('Provenance')}</h3>
        </summary>
        {error !== '' && <p role="alert">{error}</p>}
        {error === '' && found === null && <p className="jp-UWSJobs-small">{trans.__('Asking the service …')}</p>}
        {found !== null && <Graph found={found} host={host} />}
        {found !== null && (
          <div className="jp-UWSPage-bar">
            <Button act={() => { attempt(host, () => host.insertCode(lineage(job))); }}>{trans.__('To notebook')}</Button>
          </div>
        )}
      </details>
    </section>
  );
}

function Graph({ found, host }: { found: IProvenance; host: IHost }): JSX.Element {
  const { trans } = host;
  const { nodes, edges } = found;
  const { places, width, height } = layoutOf(found);
  const box = useRef<HTMLDivElement>(null);
  const middle = places.get(nodes.find(node => node.level === 0)?.key ?? '')?.x ?? 0;
  useEffect(() => {
    if (box.current !== null) {
      box.current.scrollLeft = middle + NODE.width / 2 - box.current.clientWidth / 2;
    }
  }, [middle, width]);
  const titleOf = (level: number): string =>
    level === 0
      ? trans.__('This job')
      : level < 0
        ? trans.__('Made from, step %1', String(-level))
        : trans.__('Used by, step %1', String(level));
  return (
    <>
      {nodes.length === 1 && (
        <p className="jp-UWSJobs-small">{trans.__('No runs and no files went into it, and no job has used its results.')}</p>
      )}
      <div
        ref={box}
        className="jp-UWSProv-graph"
        tabIndex={0}
        role="group"
        aria-label={trans.__('From left to right: what it was made from, the job, what used it')}
      >
        <div style={{ width, height }}>
          <svg width={width} height={height} aria-hidden="true">
            {edges.map(edge => (
              <path key={JSON.stringify(edge)} d={curve(edge, places)} />
            ))}
          </svg>
          {columnsOf(found).map(column => (
            <ul key={column[0]?.level} aria-label={titleOf(column[0]?.level ?? 0)}>
              {column.map(node => (
                <li key={node.key} style={{ left: places.get(node.key)?.x, top: places.get(node.key)?.y, ...NODE }}>
                  <Node node={node} words={relations(node, edges, trans.__('ran before'), trans.__('ran after'))} host={host} />
                </li>
              ))}
            </ul>
          ))}
        </div>
      </div>
      {found.isCut && <p className="jp-UWSJobs-small">{trans.__('There is more: open a job at the edge to go on.')}</p>}
    </>
  );
}

function Node({ node, words, host }: { node: IProvNode; words: string; host: IHost }): JSX.Element {
  const { trans } = host;
  const { ref, items } = node;
  const title = node.kind === 'runs' ? trans._n('%1 run', '%1 runs', items.length) : node.title;
  const content = (
    <>
      <span className="jp-UWSProv-title">{title}</span>
      <span className="jp-UWSProv-words">{words || items.join(', ')}</span>
      {node.phase && <Phase phase={node.phase} />}
    </>
  );
  const hint = [title, words, ...items.slice(0, 50)].filter(Boolean).join('\n');
  return ref === undefined ? (
    <div className="jp-UWSProv-node" data-kind={node.kind} aria-current={node.level === 0 ? 'true' : undefined} title={hint}>
      {content}
    </div>
  ) : (
    <button
      type="button"
      className="jp-UWSProv-node"
      data-kind="job"
      title={hint}
      aria-label={trans.__('Open %1', [title, words, node.phase].filter(Boolean).join(', '))}
      onClick={() => { host.openJob(ref); }}
    >
      {content}
    </button>
  );
}

/** What a node has to do with its neighbours towards the job in the middle. */
function relations(node: IProvNode, edges: readonly IProvEdge[], before: string, after: string): string {
  const own = edges.filter(edge => (node.level < 0 ? edge.source : edge.target) === node.key);
  const words = own.map(({ result, parameter }) =>
    parameter ? [result, parameter].filter(Boolean).join(' → ') : node.level < 0 ? before : after
  );
  return node.level === 0 ? '' : [...new Set(words)].join(', ');
}

function curve({ source, target }: IProvEdge, places: ReturnType<typeof layoutOf>['places']): string {
  const [from, to] = [places.get(source), places.get(target)];
  if (from === undefined || to === undefined) {
    return '';
  }
  const [x1, y1] = [from.x + NODE.width, from.y + NODE.height / 2];
  const [x2, y2] = [to.x, to.y + NODE.height / 2];
  const middle = (x1 + x2) / 2;
  return `M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2},${y2}`;
}
