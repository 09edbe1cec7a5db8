import { momentOf, msOf } from '../api/times.ts';
import type { Status } from '../api/types.ts';

/** When a pod was last made to roll, and why. */
export type LastRoll = NonNullable<Status['lastRoll']>;

/**
 * The last roll as an annotation of the Deployment has it: written together with the template that rolls, so whoever is killed
 * before a status tells of it leaves it to the next one.
 */
export const lastRollText = (atMs: number, reasons: readonly string[]): string =>
  `${momentOf(atMs)} ${reasons.join(',')}`;

/** @returns undefined: there was none, it is of before that was written down, or somebody wrote into it */
export function parseLastRoll(text: string | undefined): LastRoll | undefined {
  const [at, reasons = ''] = text?.split(' ') ?? [];
  if (at === undefined || msOf(at) === undefined || reasons === '') return undefined;
  return { at, reasons: reasons.split(',') };
}

/** Whether a roll is another one than the one that is known, and not an older one that was put back with its Deployment. */
export function isNewRoll(roll: LastRoll | undefined, known: LastRoll | undefined): roll is LastRoll {
  if (roll === undefined) return false;
  if (known === undefined) return true;
  return (
    `${roll.at} ${roll.reasons}` !== `${known.at} ${known.reasons}` && (msOf(roll.at) ?? 0) >= (msOf(known.at) ?? 0)
  );
}
