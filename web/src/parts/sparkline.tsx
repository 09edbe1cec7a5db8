import { useText } from '../context.ts';
import { areaPath, type Box, type Point, stepPath, yOf } from '../logic/chart.ts';

export interface SparklineProps {
  readonly points: readonly Point[];
  readonly stepMs: number;
  readonly limit: number;
  readonly from: number;
  readonly to: number;
}

/** The last day of one product in one small line, with the licence's limit dashed. */
export function Sparkline({ points, stepMs, limit, from, to }: SparklineProps) {
  const { t, number } = useText();
  const peak = Math.max(0, ...points.map((p) => p.value));
  const now = points.at(-1)?.value ?? 0;
  const box: Box = { width: 200, height: 36, from, to, max: Math.max(limit, peak, 1) * 1.08 };
  return (
    <figure class="spark">
      <svg
        viewBox={`0 -1 ${box.width} ${box.height + 2}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={t('usage.spark', { peak, now })}
      >
        <line class="limit" x1="0" x2={box.width} y1={yOf(limit, box)} y2={yOf(limit, box)} />
        <path class="area" d={areaPath(points, box, stepMs)} />
        <path class="line" d={stepPath(points, box, stepMs)} />
      </svg>
      <figcaption aria-hidden="true">{t('usage.last24', { peak: number(peak) })}</figcaption>
    </figure>
  );
}
