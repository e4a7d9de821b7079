/**
 * An image of a FITS file: its controls, and how the state becomes what the canvas draws.
 */
import { TranslationBundle } from '@jupyterlab/translation';
import { JSX, useEffect, useMemo, useState } from 'react';

import { messageOf } from '../errors';
import { FitsFile, Hdu } from '../formats/fits';
import { Plane, planeCount, readPlane } from '../formats/fitsimage';
import { planeLabels } from '../formats/fitsplanes';
import { readWcs, Wcs } from '../formats/wcs';
import {
  ColorMap,
  COLOR_MAPS,
  isSigma,
  isSigned,
  Limits,
  percentileLimits,
  SIGMA_LIMITS,
  sortedSample,
  Stretch,
  STRETCHES
} from './colors';
import { ImageCanvas } from './imagecanvas';
import { FrameChoice } from './readout';

interface Props {
  readonly file: FitsFile;
  readonly hdu: Hdu;
  readonly name: string;
  readonly trans: TranslationBundle;
}

type Clip = 'sigma' | '100' | '99.5' | '99' | '95' | 'own';
const CLIPS: readonly Clip[] = ['100', '99.5', '99', '95', 'own'];

export function ImageView({ file, hdu, name, trans }: Props): JSX.Element {
  const signed = isSigned(`${name} ${hdu.name}`);
  const inSigma = isSigma(`${name} ${hdu.name}`);
  const [number, setNumber] = useState(0);
  const [plane, setPlane] = useState<Plane | null>(null);
  const [problem, setProblem] = useState('');
  const [labels, setLabels] = useState<readonly string[]>([]);
  const [map, setMap] = useState<ColorMap>(signed ? 'diverging' : 'viridis');
  const [stretch, setStretch] = useState<Stretch>('linear');
  const [clip, setClip] = useState<Clip>(inSigma ? 'sigma' : signed ? '99' : '99.5');
  const [own, setOwn] = useState<Limits>([0, 1]);
  const [frame, setFrame] = useState<FrameChoice>('own');
  const [isNorthUp, setNorthUp] = useState(false);
  const [hasGrid, setGrid] = useState(false);
  const planes = planeCount(hdu);
  const { wcs, wcsProblem } = useMemo(() => wcsOf(hdu), [hdu]);

  useEffect(() => {
    let isGone = false;
    readPlane(file.source, hdu, number).then(
      read => {
        if (!isGone) {
          setPlane(read);
        }
      },
      (error: unknown) => {
        if (!isGone) {
          setProblem(messageOf(error));
        }
      }
    );
    return () => {
      isGone = true;
    };
  }, [file, hdu, number]);

  useEffect(() => {
    void planeLabels(file, hdu).then(setLabels);
  }, [file, hdu]);

  const sample = useMemo(() => (plane ? sortedSample(plane.values) : new Float64Array()), [plane]);
  const limits = useMemo(() => {
    if (clip === 'own') {
      return own;
    }
    if (clip === 'sigma') {
      return SIGMA_LIMITS;
    }
    return percentileLimits(sample, Number(clip), map === 'diverging');
  }, [clip, own, sample, map]);

  if (problem !== '') {
    return (
      <p className="jp-UWSViewer-problem" role="alert">
        {problem}
      </p>
    );
  }
  if (!plane) {
    return <p className="jp-UWSViewer-wait">{trans.__('Reading the image …')}</p>;
  }
  return (
    <div className="jp-UWSImage">
      <div className="jp-UWSViewer-bar" role="toolbar" aria-label={trans.__('Image')}>
        <Choice label={trans.__('Colours')} value={map} values={COLOR_MAPS} choose={setMap} />
        <Choice label={trans.__('Stretch')} value={stretch} values={STRETCHES} choose={setStretch} />
        <Choice
          label={trans.__('Limits')}
          value={clip}
          values={inSigma ? ['sigma', ...CLIPS] : CLIPS}
          names={[...(inSigma ? ['±5'] : []), trans.__('min to max'), '99.5 %', '99 %', '95 %', trans.__('own')]}
          choose={value => {
            setOwn(limits);
            setClip(value);
          }}
        />
        {clip === 'own' &&
          [0, 1].map(end => (
            <input
              key={end}
              type="number"
              step="any"
              className="jp-mod-styled jp-UWSImage-limit"
              aria-label={end === 0 ? trans.__('Lower limit') : trans.__('Upper limit')}
              defaultValue={Number((own[end] ?? 0).toPrecision(4))}
              onChange={event => {
                const value = event.target.valueAsNumber;
                const next: Limits = end === 0 ? [value, own[1]] : [own[0], value];
                if (next[0] < next[1]) {
                  setOwn(next);
                }
              }}
            />
          ))}
        {wcs && (
          <>
            <Choice
              label={trans.__('Coordinates')}
              value={frame}
              values={wcs.frame === 'other' ? ['own'] : ['own', 'icrs', 'hms', 'galactic']}
              names={[wcs.system, 'ICRS (deg)', 'ICRS (h m s)', trans.__('galactic')]}
              choose={setFrame}
            />
            <Toggle label={trans.__('Grid')} value={hasGrid} set={setGrid} />
            <Toggle label={trans.__('North up')} value={isNorthUp} set={setNorthUp} />
          </>
        )}
        {planes > 1 && (
          <label className="jp-UWSImage-plane">
            <span>
              {trans.__('Plane %1 of %2', number + 1, planes)} {labels[number] ?? ''}
            </span>
            <input
              type="range"
              min={0}
              max={planes - 1}
              value={number}
              onChange={event => {
                setNumber(event.target.valueAsNumber);
              }}
            />
          </label>
        )}
      </div>
      {(wcsProblem || wcs?.caveat) && <p className="jp-UWSViewer-problem">{wcsProblem || wcs?.caveat}</p>}
      <ImageCanvas
        plane={plane}
        wcs={wcs}
        limits={limits}
        stretch={stretch}
        map={map}
        frame={frame}
        hasGrid={hasGrid}
        isNorthUp={isNorthUp}
        unit={hdu.header.text('BUNIT').trim()}
        label={`${name}: ${hdu.name}`}
        trans={trans}
      />
    </div>
  );
}

function wcsOf(hdu: Hdu): { wcs: Wcs | null; wcsProblem: string } {
  try {
    return { wcs: readWcs(hdu.header), wcsProblem: '' };
  } catch (error) {
    return { wcs: null, wcsProblem: messageOf(error) };
  }
}

function Choice<T extends string>(props: {
  label: string;
  value: T;
  values: readonly T[];
  names?: readonly string[];
  choose: (value: T) => void;
}): JSX.Element {
  return (
    <label className="jp-UWSImage-choice">
      <span>{props.label}</span>
      <select
        className="jp-mod-styled"
        value={props.value}
        onChange={event => {
          props.choose(event.target.value as T);
        }}
      >
        {props.values.map((value, at) => (
          <option key={value} value={value}>
            {props.names?.[at] ?? value}
          </option>
        ))}
      </select>
    </label>
  );
}

function Toggle(props: { label: string; value: boolean; set: (value: boolean) => void }): JSX.Element {
  return (
    <label className="jp-UWSImage-toggle">
      <input
        type="checkbox"
        checked={props.value}
        onChange={event => {
          props.set(event.target.checked);
        }}
      />
      {props.label}
    </label>
  );
}
