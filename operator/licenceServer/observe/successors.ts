import type { KubeObject } from '../../kube/object.ts';
import { regeneratedKey } from '../api/metadata.ts';
import type { KeySource } from './keySources.ts';

/**
 * Keys that the operator had made in the place of those that the spec refers to. Pure. The key that a Secret of a person
 * holds counts as replaced for as long as it is there: whoever keeps Secrets in Git is not written over, and goes on as soon
 * as another key is put there.
 */
export interface Regenerated {
  /** Name of the Secret that holds it, under the key's name. */
  readonly secret: string;
  readonly key: string;
  readonly replaces: string;
  readonly keyId: string;
  readonly digest: string;
}

/** What the metadata of a LicenceServer's Secrets tells; Secrets of another kind are left out. */
export function regeneratedIn(secrets: readonly KubeObject[]): readonly Regenerated[] {
  return secrets.flatMap(({ metadata }) => {
    const told = metadata.annotations ?? {};
    const [key, replaces, keyId, digest] = [
      told[regeneratedKey.name],
      metadata.labels?.[regeneratedKey.replaces],
      told[regeneratedKey.keyId],
      told[regeneratedKey.digest],
    ];
    if (key === undefined || replaces === undefined || keyId === undefined || digest === undefined) return [];
    return [{ secret: metadata.name, key, replaces, keyId, digest }];
  });
}

/** The key that stands in the place of `keyId` by now, if any. */
export function successorOf(made: readonly Regenerated[], key: string, keyId: string): Regenerated | undefined {
  let last: Regenerated | undefined;
  // Each one is followed at most once, whatever the annotations say.
  const left = new Set(made.filter((one) => one.key === key));
  for (;;) {
    const next = [...left].find((one) => one.replaces === (last?.keyId ?? keyId));
    if (next === undefined) return last;
    left.delete(next);
    last = next;
  }
}

/** The sources with each replaced key's successor in its place. */
export const withSuccessors = (sources: readonly KeySource[], made: readonly Regenerated[]): readonly KeySource[] =>
  sources.map((source) => {
    if (source.kind !== 'found') return source;
    const next = successorOf(made, source.name, source.keyId);
    return next === undefined ? source : { ...source, keyId: next.keyId, digest: next.digest };
  });
