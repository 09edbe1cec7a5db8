/** A size of a chaos test: a whole number from the environment, or its modest default. */
export function size(name: string, byDefault: number): number {
  const text = process.env[name];
  if (text === undefined || text === '') return byDefault;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`${name} must be a whole number above 0, not "${text}"`);
  return value;
}

/** A count that people read at the end of a run. */
export const say = (line: string): void => {
  process.stdout.write(`chaos: ${line}\n`);
};
