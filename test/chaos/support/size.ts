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
