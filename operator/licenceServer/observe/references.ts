import { namesOf } from '../api/names.ts';
import { readSpec } from '../api/readSpec.ts';
import type { LicenceServer, Spec } from '../api/types.ts';

/** What a LicenceServer refers to in its namespace, so that a change of it wakes the right ones. Pure. */
export interface References {
  readonly secrets: readonly string[];
  readonly configMaps: readonly string[];
}

export function referencesOf(name: string, spec: Spec): References {
  const names = namesOf(name);
  const authority = spec.activation.authority;
  const s3 = spec.backup?.destination.s3;
  const some = (...all: readonly (string | undefined)[]) => [...new Set(all.filter((n) => n !== undefined))].sort();
  return {
    secrets: some(
      ...(spec.keys ?? []).map((key) => key.secretRef.name),
      names.identity,
      names.tokens,
      spec.database?.secretRef.name,
      authority?.caRef?.secret?.name,
      authority?.proxy?.secretRef?.name,
      spec.database?.caRef?.secret?.name,
      spec.tls?.secretName,
      s3?.credentialsSecretRef.name,
      s3?.caRef?.secret?.name,
    ),
    configMaps: some(
      authority?.trustedKeys?.configMapRef.name,
      authority?.caRef?.configMap?.name,
      spec.database?.caRef?.configMap?.name,
      s3?.caRef?.configMap?.name,
    ),
  };
}

/** The values under which a LicenceServer is found by what it refers to: `Secret/ns/name`, `ConfigMap/ns/name`. */
export function referenceIndex(server: LicenceServer): readonly string[] {
  const read = readSpec(server);
  if (!read.ok) return [];
  const { namespace, name } = server.metadata;
  const { secrets, configMaps } = referencesOf(name, read.spec);
  const backups = read.spec.backup?.destination.claim?.claimName;
  const token = read.spec.activation.authority?.tokenSecretRef?.name;
  return [
    // Only read when a key is to be made, but waited for.
    ...(token === undefined || secrets.includes(token) ? [] : [`Secret/${namespace}/${token}`]),
    ...secrets.map((secret) => `Secret/${namespace}/${secret}`),
    ...configMaps.map((configMap) => `ConfigMap/${namespace}/${configMap}`),
    `Claim/${namespace}/${read.spec.storage.existingClaim ?? namesOf(name).claim}`,
    ...(backups === undefined ? [] : [`Claim/${namespace}/${backups}`]),
  ];
}
