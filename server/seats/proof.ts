import { signatureAlgorithm } from '../../licence/signatureAlgorithm.ts';
import { askedOf, holderOf } from './holderKey.ts';

/** Who signs proofs. */
export interface ProofSigner {
  /** `sha256:` and hex. */
  readonly fingerprint: string;
  /** Ed25519 signature, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
}

export interface ProvenLease {
  readonly product: string;
  readonly holder: string;
  readonly leaseId: string;
  readonly nonce: string;
  readonly nowMs: number;
  /** Absent for a lease that does not expire by itself. */
  readonly expiresAtMs: number | undefined;
}

/** What it asks for beside one seat. */
const ofMore = (key: string) => {
  const { feature, seats } = askedOf(key);
  return { ...(feature === undefined ? {} : { feature }), ...(seats === 1 ? {} : { seats }) };
};

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * A signed lease: a compact JWS by the server's own key, whose payload carries the activation that names this key and is
 * itself signed by the vendor (not its header: libraries refuse members there that they do not know). So a client that knows the vendor's keys can tell, without a network, that a real server has
 * answered its nonce. Only who sends a nonce gets one: a signature costs more than the seat.
 */
export function proofOf(signer: ProofSigner, activation: string | undefined, lease: ProvenLease): string {
  const header = encode({
    alg: signatureAlgorithm,
    typ: 'licence-lease+jwt',
    kid: signer.fingerprint,
  });
  const payload = encode({
    product: lease.product,
    holder: holderOf(lease.holder),
    ...ofMore(lease.holder),
    leaseId: lease.leaseId,
    nonce: lease.nonce,
    iat: Math.floor(lease.nowMs / 1000),
    ...(lease.expiresAtMs === undefined ? {} : { exp: Math.floor(lease.expiresAtMs / 1000) }),
    ...(activation === undefined ? {} : { activation }),
  });
  const signed = `${header}.${payload}`;
  return `${signed}.${Buffer.from(signer.sign(Buffer.from(signed))).toString('base64url')}`;
}
