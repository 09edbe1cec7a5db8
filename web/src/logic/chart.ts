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

/** A round number at or above `value` for an axis: 1, 2, 5 × 10ⁿ and, since seats are whole, at least 1. */
export function niceMax(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 4, 5, 10].find((s) => s * power >= value) ?? 10;
  return step * power;
}

/** Axis marks from 0 to `max`, whole numbers only. */
export function valueTicks(max: number): number[] {
  const steps = max >= 4 && max % 4 === 0 ? 4 : max >= 5 && max % 5 === 0 ? 5 : max >= 2 && max % 2 === 0 ? 2 : 1;
  return Array.from({ length: steps + 1 }, (_, i) => (max / steps) * i);
}

export const xOf = (at: number, b: Box): number => round(((at - b.from) / (b.to - b.from)) * b.width);
export const yOf = (value: number, b: Box): number => round(b.height - (Math.min(value, b.max) / b.max) * b.height);

/** A step line: each value holds until the next point (counts do not slope). Ends at the box's right edge. */
export function stepPath(points: readonly Point[], box: Box): string {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  let path = `M${xOf(Math.max(first.at, box.from), box)},${yOf(first.value, box)}`;
  for (const p of rest) path += `H${xOf(p.at, box)}V${yOf(p.value, box)}`;
  return `${path}H${round(box.width)}`;
}

/** The surface under a step line. */
export function areaPath(points: readonly Point[], box: Box): string {
  const [first] = points;
  if (first === undefined) return '';
  return `${stepPath(points, box)}V${round(box.height)}H${xOf(Math.max(first.at, box.from), box)}Z`;
}

/** At most `count` marks at even distances within the box, both ends included. */
export const timeTicks = (box: Pick<Box, 'from' | 'to'>, count: number): number[] =>
  Array.from({ length: count }, (_, i) => box.from + ((box.to - box.from) / (count - 1)) * i);

const round = (n: number): number => Math.round(n * 10) / 10;
