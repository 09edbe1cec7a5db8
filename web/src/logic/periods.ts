/** The periods of the usage chart; each gives some two hundred points, which is what a screen can show. */
export const periods = {
  day: { hours: 24, stepSeconds: 600 },
  week: { hours: 7 * 24, stepSeconds: 3_600 },
  month: { hours: 30 * 24, stepSeconds: 4 * 3_600 },
  quarter: { hours: 90 * 24, stepSeconds: 12 * 3_600 },
} as const;
export type Period = keyof typeof periods;
export const periodNames = Object.keys(periods) as Period[];

/** Range of a period that ends now, in whole steps, so that repeated questions are equal. */
export function rangeOf(
  period: Period,
  now: number,
): { readonly from: number; readonly to: number; readonly stepSeconds: number } {
  const { hours, stepSeconds } = periods[period];
  const stepMs = stepSeconds * 1_000;
  const to = Math.ceil(now / stepMs) * stepMs;
  return { from: to - hours * 3_600_000, to, stepSeconds };
}
