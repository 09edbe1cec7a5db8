import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createActivation } from '../../licence/activation.ts';
import { fingerprintOf, rawPublicKey } from '../../licence/fingerprint.ts';
import { publicJwk } from '../../licence/jwks.ts';
import { holderKey } from '../../server/seats/holderKey.ts';
import { proofOf } from '../../server/seats/proof.ts';

export interface ProofCase {
  readonly what: string;
  readonly proof: string;
  readonly jwks: unknown;
  readonly product: string;
  readonly nonce: string;
  /** Seconds since 1970. */
  readonly now: number;
  /** As a verifier of every language says it, where the message is its own and not a library's. */
  readonly says?: string;
}

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part = '') => JSON.parse(Buffer.from(part, 'base64url').toString());
const jws = (header: object, payload: object, key: KeyObject) => {
  const signed = `${encode(header)}.${encode(payload)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key).toString('base64url')}`;
};
const nowMs = Date.UTC(2027, 0, 1);
const now = nowMs / 1000;

/** A good proof first, then what a verifier has to refuse. */
export function proofCases(): { readonly leaseId: string; readonly cases: readonly ProofCase[] } {
  const [vendor, server, other] = [0, 1, 2].map(() => generateKeyPairSync('ed25519'));
  if (!vendor || !server || !other) throw new Error('no keys');
  const jwkOf = (key: KeyObject) => publicJwk(rawPublicKey(key).toString('base64url'));
  const jwks = { keys: [jwkOf(other.publicKey), jwkOf(vendor.publicKey)] };
  const { kid } = jwkOf(vendor.publicKey);
  const raw = rawPublicKey(server.publicKey);
  const leaseId = '01900000-0000-7000-8000-000000000001';
  const activationOf = (more: object = {}, key = vendor.privateKey) =>
    createActivation(
      {
        ...{ keyId: '0123456789ab', generation: 1, fingerprint: fingerprintOf(raw), sequence: 1 },
        ...{ serverPublicKey: raw.toString('base64url'), issuedAt: '2026-01-01T00:00:00Z' },
        entitlements: {
          ...{ licenceId: 'l-1', organisation: 'Sample', product: 'erp', seatLimit: 5 },
          ...{ supportPolicy: 'warn', features: [], ...more },
        },
      },
      kid,
      key,
    );
  const proven = (activation: string | undefined, more: object = {}, key = server.privateKey) =>
    proofOf({ fingerprint: fingerprintOf(raw), sign: (bytes) => sign(null, bytes, key) }, activation, {
      ...{ product: 'erp', holder: holderKey({ base: 'b', user: 'u', host: 'h', session: '' }), leaseId },
      ...{ nonce: 'n-1', nowMs, expiresAtMs: nowMs + 60_000, ...more },
    });
  const good = { what: 'a good proof', proof: proven(activationOf()), jwks, product: 'erp', nonce: 'n-1', now };
  const [header, payload, signature = ''] = good.proof.split('.');
  const flipped = `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  const of = (what: string, more: Partial<ProofCase>): ProofCase => ({ ...good, what, ...more });
  return {
    leaseId,
    cases: [
      good,
      of('a licence that ends later', { proof: proven(activationOf({ expiresAt: '2028-01-01T00:00:00Z' })) }),
      of('another nonce', { nonce: 'n-2', says: 'this answers another question' }),
      of('another product', { product: 'zup', says: 'the activation is for another product' }),
      of('another product of the lease alone', {
        proof: proven(activationOf(), { product: 'zup' }),
        says: 'this answers another question',
      }),
      of('a lease that has expired', { now: now + 61, says: 'the lease has expired' }),
      of('a licence that has ended', {
        proof: proven(activationOf({ expiresAt: '2026-12-31T00:00:00Z' })),
        says: 'the licence has ended',
      }),
      of('another signature', { proof: `${header}.${payload}.${flipped}` }),
      of('another payload', {
        proof: `${header}.${encode({ ...decode(payload), nonce: 'n-2' })}.${signature}`,
        nonce: 'n-2',
      }),
      of('no algorithm', { proof: `${encode({ ...decode(header), alg: 'none' })}.${payload}.` }),
      of('an activation of another vendor', { proof: proven(activationOf({}, other.privateKey)) }),
      of('a vendor that is not trusted', { jwks: { keys: [jwkOf(other.publicKey)] } }),
      of('no keys', { jwks: { keys: [] } }),
      of('an activation of a server whose key the prover has not', {
        proof: proven(activationOf(), {}, other.privateKey),
      }),
      of('no activation', { proof: proven(undefined) }),
      of('an activation in place of a proof', {
        proof: jws(
          { alg: 'EdDSA', typ: 'licence-activation+jwt', kid: decode(header).kid },
          decode(payload),
          server.privateKey,
        ),
      }),
      of('something else that the vendor has signed, in place of an activation', {
        proof: proven(
          jws({ alg: 'EdDSA', typ: 'licence-keys+jwt', kid }, decode(activationOf().split('.')[1]), vendor.privateKey),
        ),
      }),
      of('the name of another server', {
        proof: jws(
          { ...decode(header), kid: fingerprintOf(rawPublicKey(other.publicKey)) },
          decode(payload),
          server.privateKey,
        ),
        says: 'the proof names another server',
      }),
    ],
  };
}
