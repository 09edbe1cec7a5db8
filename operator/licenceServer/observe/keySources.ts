import { createHash } from 'node:crypto';
import { parseKey } from '../../../licence/key.ts';
import { digestOf } from '../api/digest.ts';
import { namesOf } from '../api/names.ts';
import type { Spec } from '../api/types.ts';

/** A key as the operator knows it: never its text. */
export interface KeyDigest {
  readonly digest: string;
  readonly keyId: string;
}

/** The content that the spec asks for, or why there is none to go by. */
export type DesiredKeys =
  | { readonly ok: true; readonly copy: string; readonly keys: Readonly<Record<string, KeyDigest>> }
  | { readonly ok: false; readonly reason: string; readonly message: string };

/**
 * The keys that the spec refers to, as they were found. Pure. A found key is known by its digest and its keyId from here
 * on; its text travels beside, only to be copied into the pod's Secret and to be checked.
 */
export type KeySource =
  | ({ readonly name: string; readonly kind: 'found' } & KeyDigest)
  | { readonly name: string; readonly kind: 'fault'; readonly reason: string; readonly message: string };

type SpecKey = NonNullable<Spec['keys']>[number];

/** `data` of a Secret (base64), or undefined if there is no such Secret. */
export type SecretData = Readonly<Record<string, string>> | undefined;

const textOf = (base64: string | undefined): string | undefined =>
  base64 === undefined ? undefined : Buffer.from(base64, 'base64').toString('utf8').trim();

/** A key's files in the pod, by file name; undefined if they cannot be made. */
export function keyFiles(
  key: SpecKey,
  mode: Spec['activation']['mode'],
  data: SecretData,
): Record<string, string> | undefined {
  const text = textOf(data?.[key.secretRef.key]);
  if (text === undefined || text === '') return undefined;
  const activation = mode === 'Offline' ? textOf(data?.[`${key.secretRef.key}.activation`]) : undefined;
  return { [key.name]: text, ...(activation === undefined ? {} : { [`${key.name}.activation`]: activation }) };
}

/** Judges one referenced key without asking anybody: is it there, and is it a key at all. */
export function readKeySource(key: SpecKey, mode: Spec['activation']['mode'], data: SecretData): KeySource {
  const { name } = key;
  const secret = `Secret ${key.secretRef.name}`;
  const fault = (reason: string, message: string): KeySource => ({ name, kind: 'fault', reason, message });
  if (data === undefined) return fault('SecretMissing', `key ${name}: ${secret} does not exist; create it`);
  const files = keyFiles(key, mode, data);
  const text = files?.[name];
  if (files === undefined || text === undefined) {
    return fault(
      'SecretKeyMissing',
      `key ${name}: ${secret} has nothing under "${key.secretRef.key}"; add the key there`,
    );
  }
  if (mode === 'Offline' && files[`${name}.activation`] === undefined) {
    return fault(
      'ActivationMissing',
      `key ${name}: ${secret} has no "${key.secretRef.key}.activation"; put the signed activation there`,
    );
  }
  const parsed = parseKey(text);
  if (!parsed.ok) return fault(parsed.reason, `key ${name}: ${parsed.message}`);
  const digest = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 16);
  return { name, kind: 'found', digest, keyId: parsed.keyId };
}

/** All keys together: the copy that they make, or the first fault. */
export function desiredKeysOf(server: string, sources: readonly KeySource[]): DesiredKeys {
  const keys: Record<string, KeyDigest> = {};
  for (const source of sources) {
    if (source.kind === 'fault') return { ok: false, reason: source.reason, message: source.message };
    keys[source.name] = { digest: source.digest, keyId: source.keyId };
  }
  return { ok: true, copy: namesOf(server).keys(digestOf(keys)), keys };
}
