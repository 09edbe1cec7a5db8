import { createHash, type KeyObject } from 'node:crypto';
import { publicKeyFrom } from './fingerprint.ts';
import { isSignatureAlgorithm, signatureAlgorithm } from './signatureAlgorithm.ts';

/** A public signing key of an authority as RFC 7517/8037 JSON. */
export interface PublicJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly alg: typeof signatureAlgorithm;
  readonly use: 'sig';
  readonly kid: string;
  /** Raw 32 bytes, base64url. */
  readonly x: string;
}

/** The authorities' keys that a server believes, by kid. */
export type TrustedKeys = ReadonlyMap<string, KeyObject>;

/** RFC 7638 thumbprint: the kid that the authority gives to its keys. */
export const thumbprintOf = (x: string): string =>
  createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');

export const publicJwk = (x: string): PublicJwk => ({
  kty: 'OKP',
  crv: 'Ed25519',
  alg: signatureAlgorithm,
  use: 'sig',
  kid: thumbprintOf(x),
  x,
});

export type ParsedTrust =
  | { readonly ok: true; readonly keys: TrustedKeys }
  | { readonly ok: false; readonly message: string };

const isRecord = (v: unknown): v is Readonly<Record<string, unknown>> => typeof v === 'object' && v !== null;

/**
 * Reads a JWK Set. Keys of other kinds are passed over, as RFC 7517 wants it; a set without one Ed25519 key, two keys of
 * one kid, or a private key is a fault.
 */
export function parseTrustedKeys(text: string): ParsedTrust {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    return { ok: false, message: 'it is not JSON' };
  }
  if (!isRecord(set) || !Array.isArray(set.keys)) return { ok: false, message: 'it has no member "keys"' };
  const keys = new Map<string, KeyObject>();
  for (const jwk of set.keys) {
    if (!isRecord(jwk) || jwk.kty !== 'OKP' || jwk.crv !== 'Ed25519') continue;
    const { kid, x, d, use = 'sig', alg = signatureAlgorithm } = jwk;
    if (d !== undefined) return { ok: false, message: 'it holds a private key; publish public keys only' };
    if (use !== 'sig' || !isSignatureAlgorithm(alg)) continue;
    const key = typeof x === 'string' ? publicKeyFrom(x) : undefined;
    if (key === undefined || typeof kid !== 'string' || kid === '') {
      return { ok: false, message: 'it has an Ed25519 key without a kid or with a damaged x' };
    }
    if (keys.has(kid)) return { ok: false, message: `it has two keys of kid ${kid}` };
    keys.set(kid, key);
  }
  return keys.size === 0 ? { ok: false, message: 'it has no Ed25519 key' } : { ok: true, keys };
}
