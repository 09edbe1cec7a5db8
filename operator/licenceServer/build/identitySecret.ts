import { namesOf, secretKeys } from '../names.ts';
import { type Child, type Owner, retainedMeta } from './object.ts';

/**
 * The server's identity, made once and never changed: keys are bound to it, so it outlives the pod, the volume and (unless
 * reclaimPolicy is Delete) the LicenceServer.
 * @param pem Ed25519 private key, PKCS#8 PEM
 */
export const identitySecret = (owner: Owner, pem: string): Child => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: retainedMeta(owner, namesOf(owner.name).identity),
  type: 'Opaque',
  immutable: true,
  stringData: { [secretKeys.identity]: pem },
});
