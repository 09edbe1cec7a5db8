/** Storage may be forbidden by the browser's settings; the page then forgets, and works. */
export function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** What the browser keeps for good: language and appearance. */
export const preference = {
  get: (name: 'language' | 'theme'): string | null => attempt(() => localStorage.getItem(`licence.${name}`)) ?? null,
  set: (name: 'language' | 'theme', value: string): void => {
    attempt(() => localStorage.setItem(`licence.${name}`, value));
  },
};
