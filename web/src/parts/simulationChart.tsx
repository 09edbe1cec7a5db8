import { useText } from '../context.ts';
import { areaPath, type Box, niceMax, type Point, stepPath, timeTicks, valueTicks, xOf, yOf } from '../logic/chart.ts';
import type { Simulation } from '../wire.ts';
import { useWidth } from './usageChart.tsx';

const dayMs = 86_400_000;
const height = 200;
const margin = { left: 44, right: 8, top: 10, bottom: 26 };

/** Who had no seat within a minute, day by day: as it is, and as it would have been. */
export function SimulationChart({ result }: { result: Simulation }) {
  const { t, tick, number } = useText();
  const [figure, width] = useWidth();
  const points = (side: 'today' | 'other'): Point[] =>
    result.days.map((d) => ({ at: Date.parse(d.day), value: d[side].unmet }));
  const [today, other] = [points('today'), points('other')];
  const from = today[0]?.at ?? 0;
  const box: Box = {
    width: width - margin.left - margin.right,
    height,
    from,
    to: from + Math.max(today.length, 1) * dayMs,
    max: niceMax(Math.max(...[...today, ...other].map((p) => p.value), 1)),
  };
  const whole = height + margin.top + margin.bottom;
  return (
    <figure class="chart" ref={figure}>
      <svg
        width={width}
        height={whole}
        viewBox={`${-margin.left} ${-margin.top} ${width} ${whole}`}
        role="img"
        aria-label={t('whatIf.chart', { today: number(result.today.unmet), other: number(result.other.unmet) })}
      >
        {valueTicks(box.max).map((value) => (
          <g key={value}>
            <line class="grid" x1="0" x2={box.width} y1={yOf(value, box)} y2={yOf(value, box)} />
            <text class="tick" x="-8" y={yOf(value, box) + 4} text-anchor="end">
              {number(value)}
            </text>
          </g>
        ))}
        {timeTicks(box, 4).map((at, i) => (
          <text
            key={at}
            class="tick"
            x={xOf(at, box)}
            y={box.height + 19}
            text-anchor={i === 0 ? 'start' : i === 3 ? 'end' : 'middle'}
          >
            {tick(at, false)}
          </text>
        ))}
        <path class="simulated-today" d={areaPath(today, box, dayMs)} />
        <path class="line" d={stepPath(other, box, dayMs)} />
      </svg>
      <figcaption>
        <span class="legend legend-today">{t('whatIf.today', { seats: number(result.today.seats) })}</span>
        <span class="legend legend-line">{t('whatIf.other', { seats: number(result.other.seats) })}</span>
        <span>{t('whatIf.unmet')}</span>
      </figcaption>
    </figure>
  );
}
