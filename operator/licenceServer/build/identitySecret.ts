import { identityFingerprint } from '../api/metadata.ts';
import { namesOf, secretKeys } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import { type Child, retainedMeta } from './object.ts';

/**
 * The server's identity, made once and never changed: keys are bound to it, so it outlives the pod, the volume and (unless
 * reclaimPolicy is Delete) the LicenceServer.
 * @param pem Ed25519 private key, PKCS#8 PEM
 * @param fingerprint of its public key
 */
export const identitySecret = (owner: Owner, pem: string, fingerprint: string): Child => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: retainedMeta(owner, namesOf(owner.name).identity, { annotations: { [identityFingerprint]: fingerprint } }),
  type: 'Opaque',
  immutable: true,
  stringData: { [secretKeys.identity]: pem },
});
