import { canonicalJson, hashOf } from '../../kube/hashOf.ts';

/** Canonical JSON: object keys in order, absent members left out. */
export const canonical = canonicalJson;

/** Short enough for a part of an object's name; see `hashOf`. */
export const digestOf = (value: unknown, length = 10): string => hashOf(value, length);
