import type { Usage } from '../wire.ts';
import type { Point } from './chart.ts';

const series = (usage: Usage, product: string, value: (p: Usage['points'][number]) => number): Point[] =>
  usage.points
    .filter((p) => p.product === product)
    .map((p) => ({ at: Date.parse(p.at), value: value(p) }))
    .sort((a, b) => a.at - b.at);

/** Most seats in use of one product, a step each, oldest first. */
export const peaksOf = (usage: Usage, product: string): Point[] => series(usage, product, (p) => p.peak);

/** Refused holders, a step each. */
export const denialsOf = (usage: Usage, product: string): Point[] => series(usage, product, (p) => p.denied);

/** The licence's limit over the same steps. */
export const limitsOf = (usage: Usage, product: string): Point[] => series(usage, product, (p) => p.seatLimit);
