const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000 };

/** How durations are written, as `1h30m`. The empty text passes too. */
export const durationPattern = /^([0-9]+h)?([0-9]+m)?([0-9]+s)?$/;

/** `1h30m` in ms; of a text that the pattern does not pass anything else counts as nothing. */
export function durationMs(text: string): number {
  let ms = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)([hms])/g)) ms += Number(count) * (unitMs[unit ?? ''] ?? 0);
  return ms;
}
