import { hash } from 'node:crypto';

/** Text that stands in JSON as it is. */
const plain = /^[ !#-[\]-~]*$/;
const quoted = (text: string): string => (plain.test(text) ? `"${text}"` : JSON.stringify(text));

/** JSON with sorted fields and without undefined ones: equal values give equal texts. */
export function canonicalJson(value: unknown): string {
  // Written out, since it is the hottest place of all: no arrays of pairs, no closures.
  if (typeof value === 'string') return quoted(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  let text = '';
  if (Array.isArray(value)) {
    for (const element of value as readonly unknown[]) {
      text += `${text === '' ? '' : ','}${canonicalJson(element ?? null)}`;
    }
    return `[${text}]`;
  }
  const fields = value as Readonly<Record<string, unknown>>;
  for (const name of Object.keys(fields).sort()) {
    const field = fields[name];
    if (field !== undefined) text += `${text === '' ? '' : ','}${quoted(name)}:${canonicalJson(field)}`;
  }
  return `{${text}}`;
}

/** A name for a value: the first `length` hexadecimal digits of the SHA-256 of its canonical JSON. */
export const hashOf = (value: unknown, length = 16): string => hash('sha256', canonicalJson(value)).slice(0, length);
