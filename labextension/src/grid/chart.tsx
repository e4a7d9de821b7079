/**
 * A chart of how many rows cover an axis; dragging over it selects those rows.
 */
import { JSX, PointerEvent, useEffect, useMemo, useRef } from 'react';

import { axisOf, covered, IAxis, IIntervals, overlapping, ticks } from './coverage';
import { Selection, SelectMode } from './selection';
import { colour, fitCanvas, onThemeChange } from './theme';

export interface IChartProps {
  readonly intervals: IIntervals;
  readonly selection: Selection;
  readonly title: string;
  /** The text of a tick, of which the next is `step` away. */
  readonly label: (value: number, step: number) => string;
}

const MARGIN = { left: 34, right: 10, top: 6, bottom: 18 };

export function CoverageChart({ intervals, selection, title, label }: IChartProps): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const brush = useRef<{ from: number; to: number; mode: SelectMode } | null>(null);
  const axis = useRef<IAxis | null>(null);
  const selected = useRef(new Float64Array(0));
  const draw = useMemo(
    () => (): void => {
      if (canvas.current !== null) {
        drawChart(canvas.current, axis.current, selected.current, label, brush.current);
      }
    },
    [label]
  );
  // not at each move of the brush: there may be a million rows
  const count = useMemo(
    () => (): void => {
      if (axis.current !== null) {
        selected.current = covered(axis.current, row => selection.has(row));
      }
      draw();
    },
    [selection, draw]
  );
  const measure = useMemo(
    () => (): void => {
      axis.current = axisOf(intervals, binsOf(canvas.current?.clientWidth ?? 0));
      count();
    },
    [intervals, count]
  );
  useEffect(() => {
    const element = canvas.current;
    if (element === null) {
      return;
    }
    const resized = new ResizeObserver(measure); // it tells the size at once, too
    resized.observe(element);
    selection.changed.connect(count);
    const ended = onThemeChange(draw);
    return () => {
      ended();
      resized.disconnect();
      selection.changed.disconnect(count);
    };
  }, [measure, count, draw, selection]);
  const place = (event: PointerEvent<HTMLCanvasElement>): number => {
    const box = event.currentTarget.getBoundingClientRect();
    const inner = box.width - MARGIN.left - MARGIN.right;
    return Math.max(0, Math.min(1, (event.clientX - box.left - MARGIN.left) / inner));
  };
  return (
    <figure className="jp-UWSChart">
      <figcaption>{title}</figcaption>
      <canvas
        ref={canvas}
        role="img"
        aria-label={title}
        onPointerDown={event => {
          event.currentTarget.setPointerCapture(event.pointerId);
          const at = place(event);
          brush.current = { from: at, to: at, mode: event.ctrlKey || event.metaKey ? 'add' : 'replace' };
        }}
        onPointerMove={event => {
          if (brush.current !== null) {
            brush.current = { ...brush.current, to: place(event) };
            draw();
          }
        }}
        onPointerUp={() => {
          const done = brush.current;
          brush.current = null;
          const { min, max } = axis.current ?? { min: 0, max: 0 };
          if (done !== null && axis.current !== null) {
            const [from, to] = [Math.min(done.from, done.to), Math.max(done.from, done.to)];
            const span = max - min;
            const rows = to - from < 0.005 ? [] : overlapping(intervals, min + from * span, min + to * span);
            selection.select(rows, done.mode);
          }
        }}
      />
    </figure>
  );
}

/** A count in at most four letters. */
function compact(count: number): string {
  return count < 10_000 ? String(count) : count < 1e6 ? `${Math.round(count / 1000)}k` : `${(count / 1e6).toPrecision(2)}M`;
}

/** How many bins a chart of so many pixels has. */
function binsOf(width: number): number {
  return Math.max(10, Math.floor((width - MARGIN.left - MARGIN.right) / 3));
}

function drawChart(
  canvas: HTMLCanvasElement,
  axis: IAxis | null,
  selected: Float64Array,
  label: IChartProps['label'],
  brush: { from: number; to: number } | null
): void {
  const fitted = fitCanvas(canvas);
  if (fitted === null) {
    return;
  }
  const { context, width, height } = fitted;
  const [inner, tall] = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
  const [text, line] = [colour(canvas, '--jp-ui-font-color2', '#666'), colour(canvas, '--jp-border-color1', '#bbb')];
  context.font = `10px ${colour(canvas, '--jp-ui-font-family', 'sans-serif')}`;
  context.fillStyle = text;
  if (axis === null) {
    return;
  }
  const bins = axis.all.length;
  const most = axis.all.reduce((a, b) => Math.max(a, b), 1);
  const bars = (counts: Float64Array, fill: string): void => {
    context.fillStyle = fill;
    counts.forEach((count, at) => {
      const bar = Math.max(count > 0 ? 1 : 0, (count / most) * tall);
      context.fillRect(MARGIN.left + (at / bins) * inner, MARGIN.top + tall - bar, Math.ceil(inner / bins), bar);
    });
  };
  bars(axis.all, colour(canvas, '--jp-border-color0', '#bbb'));
  bars(selected, colour(canvas, '--jp-brand-color1', '#1976d2'));
  context.strokeStyle = line;
  context.strokeRect(MARGIN.left + 0.5, MARGIN.top + 0.5, inner - 1, tall - 1);
  context.fillStyle = text;
  context.textAlign = 'right';
  context.fillText(compact(most), MARGIN.left - 4, MARGIN.top + 9);
  context.fillText('0', MARGIN.left - 4, MARGIN.top + tall);
  context.textAlign = 'center';
  const marks = ticks(axis.min, axis.max, inner / 90);
  const step = (marks[1] ?? axis.max) - (marks[0] ?? axis.min);
  for (const tick of marks) {
    const x = MARGIN.left + ((tick - axis.min) / (axis.max - axis.min)) * inner;
    context.fillRect(Math.round(x), MARGIN.top + tall, 1, 3);
    const words = label(tick, step);
    const half = context.measureText(words).width / 2;
    context.fillText(words, Math.max(half, Math.min(width - half, x)), height - 4);
  }
  if (brush !== null) {
    context.fillStyle = colour(canvas, '--jp-brand-color1', '#1976d2');
    context.globalAlpha = 0.2;
    const [from, to] = [Math.min(brush.from, brush.to), Math.max(brush.from, brush.to)];
    context.fillRect(MARGIN.left + from * inner, MARGIN.top, (to - from) * inner, tall);
    context.globalAlpha = 1;
  }
}
