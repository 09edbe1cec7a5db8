import { describe, expect, it } from 'vitest';
import { leftBehind } from '../../support/leftBehind.ts';

const at = '2026-01-01T00:00:00Z';

describe('what is left after a deletion', () => {
  it('names each with whom it waits for, and apart what nobody is about to remove', () => {
    const { waitedFor, forgotten } = leftBehind([
      { kind: 'Pod', metadata: { name: 'a-1', deletionTimestamp: at }, status: { phase: 'Running' } },
      { kind: 'Secret', metadata: { name: 'a-keys-1', ownerReferences: [{ kind: 'LicenceServer', name: 'a' }] } },
      {
        kind: 'PersistentVolumeClaim',
        metadata: { name: 'a-data', deletionTimestamp: at, finalizers: ['kubernetes.io/pvc-protection'] },
      },
      { kind: 'PersistentVolume', metadata: { name: 'pvc-1' }, status: { phase: 'Released' } },
      { kind: 'Secret', metadata: { name: 'a-identity' } },
    ]);
    expect(waitedFor).toEqual([
      `Pod a-1: in deletion since ${at}, Running`,
      'Secret a-keys-1: owned by LicenceServer a',
      `PersistentVolumeClaim a-data: in deletion since ${at}, held by kubernetes.io/pvc-protection`,
      'PersistentVolume pvc-1: nobody is about to remove it, Released',
    ]);
    expect(forgotten).toEqual(['Secret a-identity: nobody is about to remove it']);
  });
});
