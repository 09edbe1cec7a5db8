import { type KeyObject, sign, verify } from 'node:crypto';
import { decodeBase64url } from './fingerprint.ts';
import { type PublicJwk, parseTrustedKeys, type TrustedKeys } from './jwks.ts';
import { isSignatureAlgorithm, signatureAlgorithm } from './signatureAlgorithm.ts';

/**
 * A key set that vouches for itself: a compact JWS whose payload is the authority's JWK Set, signed by one of its keys.
 * Whoever trusts that key may trust the others, so a change of keys reaches servers whose own file is older.
 */
export const keySetType = 'licence-keys+jwt';

const longest = 16_384;

/** @param privateKey Ed25519, whose public half is known under `kid` */
export function createKeySet(keys: readonly PublicJwk[], kid: string, privateKey: KeyObject): string {
  const signed = `${encode({ alg: signatureAlgorithm, typ: keySetType, kid })}.${encode({ keys })}`;
  return `${signed}.${sign(null, Buffer.from(signed), privateKey).toString('base64url')}`;
}

/** The keys that a key of `trusted` vouches for; undefined if the text is no such set. */
export function openKeySet(text: string, trusted: TrustedKeys): TrustedKeys | undefined {
  const [header = '', payload = '', signature = '', ...more] = text.length > longest ? [] : text.split('.');
  const head = parsed(header);
  if (more.length > 0 || !isHead(head)) return undefined;
  const key = trusted.get(head.kid);
  const bytes = decodeBase64url(signature);
  if (key === undefined || bytes?.length !== 64) return undefined;
  if (!verify(null, Buffer.from(`${header}.${payload}`), key, bytes)) return undefined;
  const set = parseTrustedKeys(decodeBase64url(payload)?.toString('utf8') ?? '');
  return set.ok ? set.keys : undefined;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
function parsed(part: string): unknown {
  try {
    return JSON.parse(decodeBase64url(part)?.toString('utf8') ?? '');
  } catch {
    return undefined;
  }
}
const isHead = (v: unknown): v is { readonly kid: string } =>
  typeof v === 'object' &&
  v !== null &&
  'alg' in v &&
  isSignatureAlgorithm(v.alg) &&
  'typ' in v &&
  v.typ === keySetType &&
  'kid' in v &&
  typeof v.kid === 'string';
