import { describe, expect, test } from 'vitest';
import { readSpec } from '../../../../../operator/licenceServer/api/readSpec.ts';
import type { LicenceServer, Status } from '../../../../../operator/licenceServer/api/types.ts';
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

  test('stays with the one that ran with it while its Deployment is away, whoever of those that were refused is older', () => {
    const asks = { storage: { existingClaim: 'shared' } };
    const refused = [{ type: 'Ready', status: 'False', reason: 'ClaimInUse', message: '' }];
    const status = { fingerprint: 'sha256:0' } as Status;
    const older = licenceServer(asks, {
      ...{ name: 'a', uid: 'a', creationTimestamp: '2030-01-01T00:00:00Z' },
      status: { ...status, conditions: refused } as Status,
    });
    const ran = licenceServer(asks, { name: 'b', uid: 'b', creationTimestamp: '2030-01-02T00:00:00Z', status });
    const holder = (mine: LicenceServer, mountedBy?: (server: LicenceServer) => string | undefined) => {
      const read = readSpec(mine);
      return read.ok ? claimHolderOf(mine, read.spec, [older, ran], mountedBy) : 'unread';
    };
    expect([holder(ran), holder(older)]).toEqual([undefined, 'b']);
    // Whose pods mount it has it in any case.
    const byOlder = ({ metadata }: LicenceServer) => (metadata.name === 'a' ? 'shared' : undefined);
    expect([holder(ran, byOlder), holder(older, byOlder)]).toEqual(['a', undefined]);
  });
});
