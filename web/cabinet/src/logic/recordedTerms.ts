/** A term that an act has set; null: it was taken away. */
export type RecordedTerm = readonly [name: string, value: string | null];

/**
 * The terms in an entry of the history: an act that changes them keeps them as JSON (`correct`, `grant-renewal`).
 * @returns undefined where the detail is words
 */
export function recordedTerms(detail: string): readonly RecordedTerm[] | undefined {
  if (!detail.startsWith('{')) return undefined;
  try {
    return Object.entries(JSON.parse(detail) as Record<string, unknown>).map(([name, value]) => [name, shown(value)]);
  } catch {
    return undefined;
  }
}

function shown(value: unknown): string | null {
  if (value === null) return null;
  if (Array.isArray(value)) return value.join(', ');
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map(([name, part]) => `${name} ${part}`)
    .join(', ');
}
