import { beforeAll, describe, expect, inject, test } from 'vitest';
import { parseKey } from '../../../licence/key.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import type { LicenceServer } from '../../../operator/licenceServer/types.ts';
import { adminClient, eventually, installCrd } from './harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

beforeAll(async () => {
  const client = adminClient(inject('kubeconfig'));
  await installCrd(client);
  await client.close();
});

const writes = ['apply', 'applyWithStatus', 'create', 'update', 'mergePatch', 'delete'];

/** Ends at its n-th write, as a process that is killed there does: nothing is sent any more, nothing is learnt. */
class Killer {
  written = 0;
  /** The n-th write after which all is over; 0: none. */
  at = 0;
  /** Whether that write still reaches the API server. */
  reaches = true;
  get isDead(): boolean {
    return this.at > 0 && this.written >= this.at;
  }

  wrap(client: KubeClient): KubeClient {
    return new Proxy(client, {
      get: (target, name) => {
        const member = Reflect.get(target, name, target) as unknown;
        if (typeof member !== 'function') return member;
        const call = (member as (...all: unknown[]) => unknown).bind(target);
        if (!writes.includes(String(name))) return call;
        return async (...all: unknown[]) => {
          if (this.isDead) throw new Error('killed');
          this.written += 1;
          if (!this.isDead) return call(...all);
          if (this.reaches) await call(...all);
          throw new Error('killed');
        };
      },
    });
  }
}

const keyIdOf = (key: string): string => {
  const parsed = parseKey(key);
  return parsed.ok ? parsed.keyId : '';
};
const activeKey = (server: LicenceServer) => server.status?.keys?.find((key) => key.name === 'erp')?.keyId;

describe('an operator that is killed at any write of a key rotation', () => {
  // Mostly they wait for pods, so they wait together, each on a stage of its own.
  test.concurrent.each([
    ['before', 'good'],
    ['after', 'good'],
    ['before', 'refused'],
    ['after', 'refused'],
  ] as const)(
    '%s it took effect leaves a state from which the next one ends it (%s key), with the fewest rolls',
    async (when, kind) => {
      const stage = await Stage.open(inject('kubeconfig'));
      await stage.start();
      await stage.putKeys('keys', { erp: freshKey() });
      await stage.create('office', specWithKey());
      let server = await stage.until('office', 'is ready', isReady);
      const office = stage.server('office');
      let kills = 0;
      for (let at = 1; ; at++) {
        const before = activeKey(server);
        const key = freshKey();
        if (kind === 'refused')
          office.vendor.activate.set(keyIdOf(key), { reason: 'KeyRevoked', message: 'ask the vendor' });
        const starts = office.starts;
        const killer = new Killer();
        killer.reaches = when === 'after';
        await stage.restart({ wrap: (client) => killer.wrap(client) });
        killer.at = at;
        await stage.putKeys('keys', { erp: key });
        const isOver = (s: LicenceServer) =>
          kind === 'good'
            ? isReady(s) && activeKey(s) === keyIdOf(key)
            : s.status?.rotation?.phase === 'RolledBack' &&
              s.status.rotation.copy !== s.status.keysCopy &&
              activeKey(s) === before &&
              condition(s, 'Available')?.status === 'True' &&
              office.starts >= starts + 2;
        await eventually('it is killed, or has come to the end', async () => {
          return killer.isDead || isOver(await stage.licenceServer('office'));
        });
        const wasKilled = killer.isDead;
        await stage.restart();
        server = await stage.until('office', `ends after being killed at write ${at}`, isOver);
        expect(office.starts - starts, `starts after a kill at write ${at}`).toBe(kind === 'good' ? 1 : 2);
        if (!wasKilled) break;
        kills += 1;
      }
      expect(kills).toBeGreaterThanOrEqual(5);
      await stage.close();
    },
    240_000,
  );
});
