import { exponentialMs } from '../../kube/backOff.ts';
import { timestamp } from '../../kube/times.ts';

/** Durations and moments between the API's text and milliseconds. Pure. */

/** RFC 3339 UTC with whole seconds, as Kubernetes writes times. */
export const momentOf = timestamp;

/** A moment in ms; undefined if absent or not a time. */
export function msOf(moment: string | undefined): number | undefined {
  if (moment === undefined) return undefined;
  const ms = Date.parse(moment);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Doubles from `firstMs` with each attempt, up to `maxMs`. The first attempt is 1. */
export const backOffMs = (attempt: number, firstMs: number, maxMs: number): number =>
  exponentialMs(firstMs, maxMs, Math.max(0, attempt - 1));

/**
 * When to try something again that has failed since `sinceMs`: after as long again as it has lasted. So it comes ever more
 * rarely, and nobody has to count the attempts.
 */
export const asLongAgainMs = (
  nowMs: number,
  sinceMs: number | undefined,
  { firstMs, maxMs }: { readonly firstMs: number; readonly maxMs: number },
): number => nowMs + Math.min(maxMs, Math.max(firstMs, nowMs - (sinceMs ?? nowMs)));

/** The earliest of the given moments in ms; undefined if there is none. */
export function earliest(...moments: readonly (number | undefined)[]): number | undefined {
  const given = moments.filter((m) => m !== undefined);
  return given.length === 0 ? undefined : Math.min(...given);
}

/** A moment that is still to come, to look again at; undefined: it is over, and whatever is waited for brings a pass by itself. */
export const stillToCome = (nowMs: number, atMs: number | undefined): number | undefined =>
  atMs !== undefined && atMs > nowMs ? atMs : undefined;

/**
 * The moment of something that has happened, as it was written down; by a clock that was ahead it counts as of now. To be
 * written back, so that it is the same at the next look: else it would hold everything until that clock is right.
 */
export const happenedAt = (nowMs: number, moment: string): string =>
  (msOf(moment) ?? nowMs) > nowMs ? momentOf(nowMs) : moment;
