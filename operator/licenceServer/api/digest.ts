import { hash } from 'node:crypto';
import { canonicalJson } from '../../kube/hashOf.ts';

/** Canonical JSON: object keys in order, absent members left out. */
export const canonical = canonicalJson;

/** First `length` hexadecimal digits of the SHA-256 of a value's canonical JSON. */
export const digestOf = (value: unknown, length = 10): string => hash('sha256', canonical(value)).slice(0, length);
