import { namesOf, secretKeys } from '../api/names.ts';
import { group } from '../api/types.ts';
import { type Child, type Owner, retainedMeta } from './object.ts';

/**
 * Annotation of an identity: its fingerprint, so that the private key need not be read for it. The Secret is immutable, so
 * both say the same for ever; one that a person made has none.
 */
export const identityFingerprint = `${group}/fingerprint`;

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
