import type { Simulated, SimulatedSide } from './simulated.ts';

/** A row a day, and one of all; what was on the left, what would have been on the right. */
export function simulatedRows(result: Simulated): { readonly titles: readonly string[]; readonly rows: string[][] } {
  const both = (now: SimulatedSide, then: SimulatedSide, of: (side: SimulatedSide) => string) =>
    `${of(now)} → ${of(then)}`;
  const row = (title: string, now: SimulatedSide, then: SimulatedSide) => [
    title,
    both(now, then, (s) => String(s.refused)),
    both(now, then, (s) => String(s.unmet)),
    both(now, then, (s) => String(s.peak)),
    both(now, then, (s) => wait(s.longestWaitSeconds)),
  ];
  return {
    titles: ['DAY', 'REFUSED', 'UNMET', 'PEAK', 'LONGEST WAIT'],
    rows: [
      ...result.days.map(({ day, today, other }) => row(day, today, other)),
      row('all', result.today, result.other),
    ],
  };
}
const wait = (seconds: number): string =>
  seconds < 120 ? `${seconds}s` : seconds < 7_200 ? `${Math.round(seconds / 60)}m` : `${Math.round(seconds / 3_600)}h`;

/** What it comes to, in a sentence. */
export const summaryOf = ({ product, today, other, needed }: Simulated): string =>
  `${product} with ${other.seats} seats beside today's ${today.seats}; with ${needed} nobody would have waited for one`;

/** Tells each tenth of the way, once: how far it is, and the day that is played. */
export function tenths(
  say: (text: string) => void,
): (progress: { readonly done: number; readonly at: string }) => void {
  let said = 0;
  return ({ done, at }) => {
    const percent = Math.floor(done * 10) * 10;
    if (percent > said) say(`${String(percent).padStart(3)} %  ${at.slice(0, 10)}`);
    said = Math.max(said, percent);
  };
}

/** The rules of a product in a list as in `spec.seats.rules`, or in a LicenceServer that has one; undefined: it is neither. */
export function rulesOf(read: unknown, product: string): readonly unknown[] | undefined {
  const { spec } = (read ?? {}) as { readonly spec?: { readonly seats?: { readonly rules?: unknown } } };
  const rules = spec === undefined ? read : (spec.seats?.rules ?? []);
  if (!Array.isArray(rules)) return undefined;
  return rules.filter((rule: { readonly product?: unknown } | null) => rule?.product === product);
}
