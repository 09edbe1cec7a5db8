import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { startFaultProxy } from '../../support/faultProxy.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, keyIdOf, Stage, specWithKey } from './operator.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

const office = () => stage.server('office');
const ask = (value: string) =>
  stage.patch('office', { metadata: { annotations: { 'licensing.softonit.ru/reactivate-at': value } } });
const isProven = (value: string) => (server: LicenceServer) =>
  isReady(server) &&
  server.status?.reactivation?.request === value &&
  server.status.reactivation.provenAt !== undefined;

async function running(key: string) {
  await stage.start();
  await stage.putKeys('keys', { erp: key });
  await stage.create('office', specWithKey());
  return stage.until('office', 'is ready', isReady);
}

describe('a reactivation', () => {
  test('rolls once, is proven by a new activation, and the same value again does nothing', async () => {
    const key = freshKey();
    const before = await running(key);
    await ask('2030-01-01T00:00:00Z');
    const after = await stage.until('office', 'is proven', isProven('2030-01-01T00:00:00Z'));
    expect(office().reactivated).toEqual([keyIdOf(key)]);
    expect(office().starts).toBe(2);
    expect(after.status?.lastRoll?.reasons).toEqual(['Reactivation']);
    expect(after.status?.keys?.[0]?.activatedAt).not.toBe(before.status?.keys?.[0]?.activatedAt);
    await eventually('people are told', async () => (await stage.events()).some((e) => e.reason === 'Reactivated'));

    await ask('2030-01-01T00:00:00Z');
    await stage.restart();
    await stage.patch('office', { spec: { staleSeats: { threshold: 2 } } });
    await stage.until('office', 'is ready', isReady);
    expect(office().starts).toBe(2);
    await ask('2030-01-02T00:00:00Z');
    await stage.until('office', 'is proven again', isProven('2030-01-02T00:00:00Z'));
    expect(office().starts).toBe(3);
    expect(office().reactivated.length).toBe(2);
  });

  test('goes on serving while the authority is away, and ends when it is back, without another roll', async () => {
    const key = freshKey();
    await running(key);
    office().vendor.activate.set(keyIdOf(key), { reason: 'AuthorityUnreachable', message: 'the authority is away' });
    await ask('1');
    const waits = await stage.until('office', 'waits', (s) => {
      return isReady(s) && s.status?.reactivation?.message?.includes('is away') === true;
    });
    expect(condition(waits, 'KeysActive')?.status).toBe('True');
    expect(waits.status?.reactivation?.provenAt).toBeUndefined();
    expect(office().reactivated).toEqual([]);
    await stage.restart();
    office().vendor.activate.clear();
    await stage.until('office', 'is proven', isProven('1'));
    expect(office().reactivated).toEqual([keyIdOf(key)]);
    expect(office().starts).toBe(2);
  });

  test('happens once, wherever the operator is killed', async () => {
    await using proxy = await startFaultProxy(inject('kubeconfig'));
    await running(freshKey());
    const cuts = [
      ['/deployments/office', 'before'],
      ['/deployments/office', 'after'],
      ['/licenceservers/office/status', 'before'],
      ['/licenceservers/office/status', 'after'],
    ] as const;
    for (const [round, [path, when]] of cuts.entries()) {
      const told = `killed ${when} ${path}`;
      const [starts, reactivated] = [office().starts, office().reactivated.length];
      await stage.operator?.stop();
      let isDead = false;
      proxy.fault = ({ isWrite, url }) => {
        if (!isDead && !(isWrite && url.pathname.endsWith(path))) return undefined;
        const cut = isDead ? 'before' : when;
        isDead = true;
        return { cut };
      };
      await ask(`round ${round}`);
      await stage.start({ kubeconfig: proxy.kubeconfig });
      await eventually(told, () => isDead, 60_000);
      await stage.restart();
      await stage.until('office', `is proven after being ${told}`, isProven(`round ${round}`), 60_000);
      expect(office().starts - starts, told).toBe(1);
      expect(office().reactivated.length - reactivated, told).toBe(1);
    }
  }, 120_000);
});
