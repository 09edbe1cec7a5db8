import { createHash, createPublicKey, type KeyObject } from 'node:crypto';

/**
 * The fingerprint names the computer that a key is bound to: a hash of the server's Ed25519 public key, so that it depends
 * on no network card, host name or pod.
 * @param publicKeyRaw 32 bytes
 * @returns `sha256:` and 64 lower-case hexadecimal digits
 */
export const fingerprintOf = (publicKeyRaw: Uint8Array): string =>
  `sha256:${createHash('sha256').update(publicKeyRaw).digest('hex')}`;

export const isFingerprint = (text: string): boolean => /^sha256:[0-9a-f]{64}$/.test(text);

/** The 32 raw bytes of an Ed25519 public key (or of the public half of a private one). */
export function rawPublicKey(key: KeyObject): Buffer {
  const { x } = (key.type === 'private' ? createPublicKey(key) : key).export({ format: 'jwk' });
  if (typeof x !== 'string') throw new Error('not an Ed25519 key');
  return Buffer.from(x, 'base64url');
}

/** The key of 32 raw bytes in base64url, or undefined if the text is no such thing in its one canonical spelling. */
export function publicKeyFrom(base64url: string): KeyObject | undefined {
  if (decodeBase64url(base64url)?.length !== 32) return undefined;
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: base64url }, format: 'jwk' });
}

/** Bytes of a base64url text in its one canonical spelling: no padding, no stray bits; otherwise undefined. */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}
