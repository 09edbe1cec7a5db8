import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { useText } from '../context.ts';
import { areaPath, type Box, niceMax, type Point, stepPath, timeTicks, valueTicks, xOf, yOf } from '../logic/chart.ts';

export interface UsageChartProps {
  readonly product: string;
  /** Peak of seats in use, a step each. */
  readonly points: readonly Point[];
  /** The licence's limit over the same time. */
  readonly limits: readonly Point[];
  /** Holders refused, a step each. */
  readonly denials: readonly Point[];
  readonly stepMs: number;
  readonly from: number;
  readonly to: number;
}

const margin = { left: 44, right: 8, top: 10, bottom: 26 };

/** Use of one product over a period. The pointer reads single values; the table below says the same without one. */
export function UsageChart({ product, points, limits, denials, stepMs, from, to }: UsageChartProps) {
  const { t, tick, moment, number } = useText();
  const [read, setRead] = useState<number>();
  const [figure, width] = useWidth();
  const peak = Math.max(0, ...points.map((p) => p.value));
  const limit = limits.at(-1)?.value ?? 0;
  const box: Box = {
    width: width - margin.left - margin.right,
    height: 200,
    from,
    to,
    max: niceMax(Math.max(peak, ...limits.map((p) => p.value))),
  };
  const withClock = to - from <= 2 * 86_400_000;
  const point = read === undefined ? undefined : points[read];
  const refused = denials.find((d) => d.at === point?.at)?.value ?? 0;
  const marks = width < 520 ? 3 : 6;

  const follow = (event: PointerEvent & { currentTarget: SVGSVGElement }) => {
    const frame = event.currentTarget.getBoundingClientRect();
    const x = event.clientX - frame.left - margin.left;
    const at = from + (x / box.width) * (to - from);
    const found = points.findLastIndex((p) => p.at <= at);
    setRead(found < 0 ? undefined : found);
  };

  return (
    <figure class="chart" ref={figure}>
      <svg
        width={width}
        height={box.height + margin.top + margin.bottom}
        viewBox={`${-margin.left} ${-margin.top} ${width} ${box.height + margin.top + margin.bottom}`}
        role="img"
        aria-label={t('usage.chart', { product, peak, limit })}
        onPointerMove={follow}
        onPointerDown={follow}
        onPointerLeave={() => setRead(undefined)}
      >
        {valueTicks(box.max).map((value) => (
          <g key={value}>
            <line class="grid" x1="0" x2={box.width} y1={yOf(value, box)} y2={yOf(value, box)} />
            <text class="tick" x="-8" y={yOf(value, box) + 4} text-anchor="end">
              {number(value)}
            </text>
          </g>
        ))}
        {timeTicks(box, marks).map((at, i) => (
          <text
            key={at}
            class="tick"
            x={xOf(at, box)}
            y={box.height + 19}
            text-anchor={i === 0 ? 'start' : i === marks - 1 ? 'end' : 'middle'}
          >
            {tick(at, withClock)}
          </text>
        ))}
        <path class="area" d={areaPath(points, box, stepMs)} />
        <path class="line" d={stepPath(points, box, stepMs)} />
        <path class="limit" d={stepPath(limits, box, stepMs)} />
        {denials
          .filter((d) => d.value > 0)
          .map((d) => (
            <rect
              key={d.at}
              class="denial"
              x={xOf(d.at, box)}
              y={box.height - 6}
              width={Math.max(2, (stepMs / (to - from)) * box.width)}
              height="6"
            />
          ))}
        {point && (
          <g class="reading">
            <line x1={xOf(point.at, box)} x2={xOf(point.at, box)} y1="0" y2={box.height} />
            <circle cx={xOf(point.at, box)} cy={yOf(point.value, box)} r="4" />
          </g>
        )}
      </svg>
      <figcaption>
        <span class="legend legend-line">{t('usage.inUse')}</span>
        <span class="legend legend-limit">{t('usage.limit')}</span>
        {denials.some((d) => d.value > 0) && <span class="legend legend-denial">{t('usage.denials')}</span>}
        <span class="reading-text">
          {point ? `${moment(point.at)}: ${number(point.value)}` : ''}
          {refused ? `, ${t('usage.denials')}: ${number(refused)}` : ''}
        </span>
      </figcaption>
    </figure>
  );
}

/** The width of an element in CSS pixels, followed, so that a chart's letters keep their size. */
export function useWidth(): [{ current: HTMLElement | null }, number] {
  const element = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(720);
  useLayoutEffect(() => {
    if (element.current === null) return;
    setWidth(element.current.clientWidth);
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.round(entry.contentRect.width)));
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}
