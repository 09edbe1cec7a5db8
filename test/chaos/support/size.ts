import { appendFileSync } from 'node:fs';

/** A size of a chaos test: a whole number from the environment, or its modest default. */
export function size(name: string, byDefault: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return byDefault;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${name} must be a whole number above 0, not "${text}"`);
  return value;
}

/**
 * CHAOS_MINUTES bounds a test that is asked for more than the machine can do in time: it stops there and says how far it came.
 * Answers whether the time is over.
 */
export function timeLimit(): () => boolean {
  const untilMs = performance.now() + size('CHAOS_MINUTES', 24 * 60) * 60_000;
  return () => performance.now() > untilMs;
}

/** A count that people read at the end of a run. */
export const say = (line: string): void => {
  process.stdout.write(`chaos: ${line}\n`);
};

/** What one test showed: a line of the summary that `npm run chaos` prints at its end. */
export interface Shown {
  readonly claim: string;
  /** How much was tried. */
  readonly size: string;
  readonly violations: number;
  /** What was measured beside it. */
  readonly detail?: string;
}

/** Says what a test showed, and notes it for the summary. */
export function record(shown: Shown): void {
  say(`${shown.claim}: ${shown.size}; ${shown.violations} violations${shown.detail ? `; ${shown.detail}` : ''}`);
  const file = process.env.CHAOS_REPORT;
  if (file) appendFileSync(file, `${JSON.stringify(shown)}\n`);
}
