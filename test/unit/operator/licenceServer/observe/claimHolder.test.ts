import { describe, expect, test } from 'vitest';
import { readSpec } from '../../../../../operator/licenceServer/api/readSpec.ts';
import { claimHolderOf } from '../../../../../operator/licenceServer/observe/claimHolder.ts';
import { licenceServer } from '../world.ts';

describe('a claim that two LicenceServers ask for', () => {
  test('belongs to the older one, and to no other', () => {
    const server = (name: string, creationTimestamp: string, existingClaim?: string) =>
      licenceServer(existingClaim === undefined ? {} : { storage: { existingClaim } }, {
        name,
        uid: name,
        creationTimestamp,
      });
    const holder = (mine: ReturnType<typeof server>, ...others: ReturnType<typeof server>[]) => {
      const read = readSpec(mine);
      return read.ok ? claimHolderOf(mine, read.spec, [mine, ...others]) : undefined;
    };
    const mine = server('b', '2030-01-02T00:00:00Z', 'shared');
    expect(holder(mine, server('a', '2030-01-01T00:00:00Z', 'shared'))).toBe('a');
    expect(holder(mine, server('a', '2030-01-01T00:00:00Z', 'other'))).toBeUndefined();
    expect(holder(mine, server('a', '2030-01-03T00:00:00Z', 'shared'))).toBeUndefined();
    expect(holder(mine, server('a', '2030-01-02T00:00:00Z', 'shared'))).toBe('a');
    expect(holder(server('b', '2030-01-02T00:00:00Z', 'a-data'), server('a', '2030-01-01T00:00:00Z'))).toBe('a');
    expect(holder(server('b', '2030-01-02T00:00:00Z'), server('a', '2030-01-01T00:00:00Z'))).toBeUndefined();
  });
});
