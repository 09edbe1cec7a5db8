/** Geometry of the small charts; pure, in the units of an SVG view box. */
export interface Point {
  /** Milliseconds since the epoch: the start of the step. */
  readonly at: number;
  readonly value: number;
}

export interface Box {
  readonly width: number;
  readonly height: number;
  readonly from: number;
  readonly to: number;
  /** Value at the top; the bottom is 0. */
  readonly max: number;
}

/** A round number at or above `value` for an axis: one digit and zeros, at least 1. */
export function niceMax(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 4, 5, 6, 8, 10].find((s) => s * power >= value) ?? 10;
  return step * power;
}

/** Axis marks from 0 to `max`, whole numbers only. */
export function valueTicks(max: number): number[] {
  const steps = max >= 4 && max % 4 === 0 ? 4 : max >= 5 && max % 5 === 0 ? 5 : max >= 2 && max % 2 === 0 ? 2 : 1;
  return Array.from({ length: steps + 1 }, (_, i) => (max / steps) * i);
}

export const xOf = (at: number, b: Box): number => round(((at - b.from) / (b.to - b.from)) * b.width);
export const yOf = (value: number, b: Box): number => round(b.height - (Math.min(value, b.max) / b.max) * b.height);

/** Runs of points without a gap: where nothing was recorded, nothing is drawn. */
function runsOf(points: readonly Point[], stepMs: number): Point[][] {
  const runs: Point[][] = [];
  let last: Point | undefined;
  for (const point of points) {
    if (last === undefined || point.at - last.at > 1.5 * stepMs) runs.push([point]);
    else runs.at(-1)?.push(point);
    last = point;
  }
  return runs;
}

function runPath(run: readonly Point[], box: Box, stepMs: number): { line: string; from: number; to: number } {
  const [first, ...rest] = run;
  const last = run.at(-1);
  if (first === undefined || last === undefined) return { line: '', from: 0, to: 0 };
  const from = xOf(Math.max(first.at, box.from), box);
  const to = xOf(Math.min(last.at + stepMs, box.to), box);
  const steps = rest.map((p) => `H${xOf(p.at, box)}V${yOf(p.value, box)}`).join('');
  return { line: `M${from},${yOf(first.value, box)}${steps}H${to}`, from, to };
}

/** A step line: each value holds for its step (counts do not slope). */
export const stepPath = (points: readonly Point[], box: Box, stepMs: number): string =>
  runsOf(points, stepMs)
    .map((run) => runPath(run, box, stepMs).line)
    .join('');

/** The surface under a step line. */
export const areaPath = (points: readonly Point[], box: Box, stepMs: number): string =>
  runsOf(points, stepMs)
    .map((run) => {
      const { line, from } = runPath(run, box, stepMs);
      return `${line}V${round(box.height)}H${from}Z`;
    })
    .join('');

/**
 * Where the axis of a period begins: with the first point, since an empty half tells nothing; but `fewest` steps are always shown, so
 * that a first hour does not fill the whole width.
 */
export function beginOf(
  points: readonly Point[],
  period: Pick<Box, 'from' | 'to'>,
  stepMs: number,
  fewest = 12,
): number {
  const first = points[0]?.at ?? period.from;
  return Math.max(period.from, Math.min(first, period.to - fewest * stepMs));
}

/** At most `count` marks at even distances within the box, both ends included. */
export const timeTicks = (box: Pick<Box, 'from' | 'to'>, count: number): number[] =>
  Array.from({ length: count }, (_, i) => box.from + ((box.to - box.from) / (count - 1)) * i);

const round = (n: number): number => Math.round(n * 10) / 10;
