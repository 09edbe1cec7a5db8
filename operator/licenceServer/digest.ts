import { createHash } from 'node:crypto';

/** Canonical JSON: object keys in order, absent members left out. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((v) => canonical(v ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value)
    .filter(([, v]) => v !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`);
  return `{${members.join(',')}}`;
}

/** First `length` hexadecimal digits of the SHA-256 of a value's canonical JSON. */
export const digestOf = (value: unknown, length = 10): string =>
  createHash('sha256').update(canonical(value)).digest('hex').slice(0, length);
