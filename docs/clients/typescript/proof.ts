import { createHash } from 'node:crypto';
import {
  compactVerify,
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  importJWK,
  type JSONWebKeySet,
} from 'jose';

export interface Lease {
  readonly product: string;
  readonly holder: { readonly base: string; readonly user: string; readonly host: string; readonly session: string };
  readonly leaseId: string;
  readonly nonce: string;
  readonly exp?: number;
}
interface Activation {
  readonly serverPublicKey: string;
  readonly entitlements: { readonly product: string; readonly expiresAt?: string };
}
const options = { algorithms: ['EdDSA'] };

/**
 * Verifies the proof of a check-out, with jose: a server of the vendor has answered this very question.
 * @param jwks the vendor's keys from a place that you trust
 * @param asked product and nonce of your check-out
 */
export async function verifyProof(
  proof: string,
  jwks: JSONWebKeySet,
  asked: { readonly product: string; readonly nonce: string },
  nowMs = Date.now(),
): Promise<Lease> {
  const { activation } = decodeJwt<{ activation: string }>(proof);
  const signed = await compactVerify(activation, createLocalJWKSet(jwks), options);
  const { serverPublicKey, entitlements } = read<Activation>(signed, 'licence-activation+jwt');
  const server = await importJWK({ kty: 'OKP', crv: 'Ed25519', x: serverPublicKey }, 'EdDSA');
  const lease = read<Lease>(await compactVerify(proof, server, options), 'licence-lease+jwt');
  const fingerprint = createHash('sha256').update(Buffer.from(serverPublicKey, 'base64url')).digest('hex');
  if (decodeProtectedHeader(proof).kid !== `sha256:${fingerprint}`) throw new Error('the proof names another server');
  if (entitlements.product !== asked.product) throw new Error('the activation is for another product');
  if (entitlements.expiresAt && Date.parse(entitlements.expiresAt) <= nowMs) throw new Error('the licence has ended');
  if (lease.product !== asked.product || lease.nonce !== asked.nonce) throw new Error('this answers another question');
  if (lease.exp !== undefined && lease.exp * 1000 <= nowMs) throw new Error('the lease has expired');
  return lease;
}

function read<T>({ protectedHeader, payload }: Awaited<ReturnType<typeof compactVerify>>, type: string): T {
  if (protectedHeader.typ !== type) throw new Error(`not a ${type}`);
  return JSON.parse(new TextDecoder().decode(payload));
}
