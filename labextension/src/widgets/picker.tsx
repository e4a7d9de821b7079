/**
 * Choose a file of the notebook's folder, which the kernel reads.
 */
import { useEffect, useRef, useState } from 'react';
import type { JSX } from 'react';

import { FolderView, IEntry } from '../jobs/folder';
import { attempt } from '../jobs/host';
import { Button } from '../jobs/parts';
import { literal } from '../jobs/python';
import { Desk, IPicking } from './desk';

export function Picker({ desk, picking }: { desk: Desk; picking: IPicking }): JSX.Element {
  const { host, transport } = desk;
  const { trans } = host;
  const [path, setPath] = useState<readonly string[]>([]);
  const [entries, setEntries] = useState<readonly IEntry[]>([]);
  const [chosen, setChosen] = useState<string | null>(null);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // the field that wants it may be far down
    frame.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  useEffect(() => {
    let wanted = true;
    setChosen(null);
    attempt(host, async () => {
      const found = await transport.folder(path);
      if (wanted) {
        setEntries(found);
      }
    });
    return () => {
      wanted = false;
    };
  }, [host, transport, path]);
  const take = (name: string): void => {
    attempt(host, async () => {
      const parts = [...path, name];
      const whole = parts.join('/');
      picking.answer(await transport.kernelFile({ path: parts }, { name, path: whole, code: literal(whole) }));
    });
  };
  return (
    <div className="jp-UWSWidget-picking" role="dialog" aria-label={picking.title} ref={frame}>
      <strong>{picking.title}</strong>
      <FolderView path={path} entries={entries} chosen={chosen} enter={setPath} choose={setChosen} trans={trans} />
      <div className="jp-UWSPage-bar">
        <Button disabled={chosen === null} act={() => { take(chosen ?? ''); }}>
          {trans.__('Choose')}
        </Button>
        <Button act={() => { picking.answer(null); }}>{trans.__('Cancel')}</Button>
      </div>
    </div>
  );
}
