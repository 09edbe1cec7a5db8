import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, keyIdOf, Stage, specWithKey } from './operator.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

const phase = (server: LicenceServer) => server.status?.rotation?.phase;
const activeKey = (server: LicenceServer) => server.status?.keys?.find((key) => key.name === 'erp')?.keyId;
const office = () => stage.server('office');

/** A server named office that runs with `key`. */
async function running(key: string) {
  await stage.start();
  await stage.putKeys('keys', { erp: key });
  await stage.create('office', specWithKey());
  return stage.until('office', 'is ready', isReady);
}

describe('a key rotation', () => {
  test('asks the running server first, rolls once, and is proven by the new pod', async () => {
    const [first, second] = [freshKey(), freshKey()];
    const before = await running(first);
    expect(office().checked).toEqual([]);
    await stage.putKeys('keys', { erp: second });
    const after = await stage.until(
      'office',
      'runs the new key',
      (s) => isReady(s) && activeKey(s) === keyIdOf(second),
    );
    expect(office().checked).toEqual([keyIdOf(second)]);
    expect(office().starts).toBe(2);
    expect(after.status?.rotation).toMatchObject({ phase: 'Active', key: 'erp' });
    expect(after.status?.keysCopy).not.toBe(before.status?.keysCopy);
    expect(after.status?.lastRoll?.reasons).toEqual(['KeysChanged']);
    await eventually('people are told', async () => {
      const reasons = (await stage.events()).map((event) => event.reason);
      return ['KeysChecked', 'Rolling', 'KeysActive'].every((reason) => reasons.includes(reason));
    });
    const text = JSON.stringify([after.status, await stage.events()]);
    for (const key of [first, second]) expect(text).not.toContain(key.slice(0, 11));
  });

  test.each([
    ['a mistyped key', 'KeyMalformed', (key: string) => `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`],
    ['a key of another computer', 'KeyBoundElsewhere', (key: string) => key],
  ])('never disturbs the running server for %s', async (_, reason, wrong) => {
    const [good, other] = [freshKey(), freshKey()];
    await running(good);
    office().vendor.check.set(keyIdOf(other), { reason: 'KeyBoundElsewhere', message: 'generate a new key' });
    const deployment = await stage.get(kinds.Deployment, 'office');
    await stage.putKeys('keys', { erp: wrong(other) });
    const told = await stage.until('office', 'says why', (s) => condition(s, 'Stalled')?.reason === reason);
    expect(condition(told, 'KeysActive')).toMatchObject({ status: 'False', reason });
    expect(condition(told, 'Available')).toMatchObject({ status: 'True' });
    expect(activeKey(told)).toBe(keyIdOf(good));
    expect((await stage.get(kinds.Deployment, 'office'))?.metadata.generation).toBe(deployment?.metadata.generation);
    await stage.putKeys('keys', { erp: good });
    await stage.until('office', 'is ready again', isReady);
    expect(office().starts).toBe(1);
  });

  test('asks a server that cannot judge the key ever more rarely, and goes on when it can', async () => {
    const [first, second] = [freshKey(), freshKey()];
    await running(first);
    office().cannotCheck = true;
    await stage.putKeys('keys', { erp: second });
    await stage.until('office', 'waits', (s) => s.status?.rotation?.reason === 'ServerUnreachable');
    const polls = office().polls;
    await eventually('it was asked for its status many times', () => office().polls > polls + 20);
    expect(office().checked.length).toBeLessThan(6);
    office().cannotCheck = false;
    await stage.until('office', 'runs the new key', (s) => isReady(s) && activeKey(s) === keyIdOf(second), 60_000);
  }, 120_000);

  test('puts the previous keys back when the new pod is refused, and tries again when a person asks', async () => {
    const [good, bad] = [freshKey(), freshKey()];
    const before = await running(good);
    office().vendor.activate.set(keyIdOf(bad), { reason: 'KeyRevoked', message: 'ask the vendor' });
    await stage.putKeys('keys', { erp: bad });
    const back = await stage.until(
      'office',
      'is rolled back',
      (s) =>
        phase(s) === 'RolledBack' && condition(s, 'Available')?.status === 'True' && activeKey(s) === keyIdOf(good),
    );
    expect(back.status?.rotation).toMatchObject({ reason: 'KeyRevoked', attempts: 1 });
    expect(back.status?.keysCopy).toBe(before.status?.keysCopy);
    expect(condition(back, 'Stalled')).toMatchObject({ status: 'True', reason: 'KeyRevoked' });
    expect(office().starts).toBe(3);

    office().vendor.activate.clear();
    await stage.patch('office', { metadata: { annotations: { 'licensing.softonit.ru/rotate-retry-at': 'now' } } });
    await stage.until('office', 'runs the key', (s) => isReady(s) && activeKey(s) === keyIdOf(bad));
    expect(office().starts).toBe(4);
  });

  test('is tried again on request also by an operator that has just started, and says until then why it was refused', async () => {
    const [good, other] = [freshKey(), freshKey()];
    await running(good);
    office().vendor.check.set(keyIdOf(other), { reason: 'KeyRevoked', message: 'ask the vendor' });
    await stage.putKeys('keys', { erp: other });
    await stage.until('office', 'says why', (s) => condition(s, 'Stalled')?.reason === 'KeyRevoked');
    await stage.operator?.stop();
    office().up = false;
    await stage.patch('office', { metadata: { annotations: { 'licensing.softonit.ru/rotate-retry-at': '1' } } });
    await stage.start();
    const away = await stage.until('office', 'does not answer', (s) => {
      return condition(s, 'SeatsFresh')?.reason === 'ServerUnreachable';
    });
    expect(away.status?.rotation).toMatchObject({ reason: 'KeyRevoked' });
    expect(condition(away, 'Stalled')).toMatchObject({ status: 'True', reason: 'KeyRevoked' });
    office().vendor.check.clear();
    office().up = true;
    await stage.until('office', 'runs the key', (s) => isReady(s) && activeKey(s) === keyIdOf(other));
  });

  test('waits while the authority is away: nobody is disturbed, and nothing is rolled back', async () => {
    const [first, second] = [freshKey(), freshKey()];
    await running(first);
    const away = { reason: 'AuthorityUnreachable', message: 'the authority does not answer' } as const;
    office().vendor.check.set(keyIdOf(second), away);
    await stage.putKeys('keys', { erp: second });
    const waits = await stage.until('office', 'waits', (s) => s.status?.rotation?.reason === 'AuthorityUnreachable');
    expect(phase(waits)).toBe('Staged');
    expect(waits.status?.rotation?.nextAttemptAt).toBeDefined();
    expect(condition(waits, 'Stalled')).toMatchObject({ status: 'False' });
    expect(condition(waits, 'KeysActive')).toMatchObject({ status: 'True' });
    expect(office().starts).toBe(1);
    // It goes away again between the check and the activation.
    office().vendor.check.clear();
    office().vendor.activate.set(keyIdOf(second), away);
    await stage.patch('office', { metadata: { annotations: { 'licensing.softonit.ru/rotate-retry-at': '1' } } });
    const proving = await stage.until(
      'office',
      'waits for the proof',
      (s) => phase(s) === 'Proving' && s.status?.rotation?.reason === 'AuthorityUnreachable',
    );
    expect(office().starts).toBe(2);
    expect(proving.status?.keysCopy).not.toBe(proving.status?.rotation?.copy);
    office().vendor.activate.clear();
    await stage.until('office', 'runs the new key', (s) => isReady(s) && activeKey(s) === keyIdOf(second));
    expect(office().starts).toBe(2);
  });

  test('in mode Offline has the running server judge the new activation, before anyone is disturbed', async () => {
    const [first, second] = [freshKey(), freshKey()];
    await stage.start();
    await stage.putKeys('keys', { erp: first, 'erp.activation': 'first' });
    await stage.create('office', specWithKey({ activation: { mode: 'Offline' } }));
    await stage.until('office', 'is ready', isReady);
    const foreign = { reason: 'ActivationForeign', message: 'it is of another computer' } as const;
    office().vendor.check.set('foreign', foreign);
    await stage.putKeys('keys', { erp: second, 'erp.activation': 'foreign' });
    const told = await stage.until('office', 'says why', (s) => condition(s, 'Stalled')?.reason === foreign.reason);
    expect(activeKey(told)).toBe(keyIdOf(first));
    expect(office().checkedActivations).toEqual(['foreign']);
    // A server that knows nothing of activations asks an authority that there is none of: nothing is known beforehand.
    office().vendor.check.set('good', { reason: 'AuthorityUnreachable', message: 'there is none' });
    await stage.putKeys('keys', { erp: second, 'erp.activation': 'good' });
    await stage.until('office', 'runs the new key', (s) => isReady(s) && activeKey(s) === keyIdOf(second));
    expect(office().starts).toBe(2);
  });

  test('waits for its window', async () => {
    const [first, second] = [freshKey(), freshKey()];
    await running(first);
    // Not now: twelve hours away.
    const hour = (new Date().getUTCHours() + 12) % 24;
    await stage.patch('office', {
      spec: {
        staleSeats: { windows: [{ schedule: `0 ${hour} * * *`, duration: '1h' }] },
        keyRotation: { when: 'Window' },
      },
    });
    await stage.putKeys('keys', { erp: second });
    const waits = await stage.until('office', 'waits', (s) => s.status?.nextDisruption !== undefined);
    expect(phase(waits)).toBe('Checked');
    expect(waits.status?.nextDisruption).toMatchObject({
      reasons: ['KeysChanged'],
      at: expect.stringContaining(`T${String(hour).padStart(2, '0')}:00:00Z`),
    });
    expect(condition(waits, 'Ready')).toMatchObject({ status: 'True' });
    expect(office().starts).toBe(1);
    await stage.patch('office', { spec: { keyRotation: { when: 'Always' } } });
    await stage.until('office', 'runs the new key', (s) => isReady(s) && activeKey(s) === keyIdOf(second));
  });

  test('collects copies that nothing names any more', async () => {
    await running(freshKey());
    const copies = async () => {
      const labelSelector = 'licensing.softonit.ru/copy=keys';
      return (await stage.client.list(kinds.Secret, { namespace: stage.namespace, labelSelector })).items.length;
    };
    for (let round = 2; round <= 6; round++) {
      const key = freshKey();
      await stage.putKeys('keys', { erp: key });
      await stage.until('office', `runs key ${round}`, (s) => isReady(s) && activeKey(s) === keyIdOf(key));
    }
    // The Deployment keeps two older ReplicaSets to go back to. Its controller drops the others once it sees the newest one's
    // pods ready, which in this world it may never do for long enough: so they are dropped here.
    const revision = (rs: KubeObject) => Number(rs.metadata.annotations?.['deployment.kubernetes.io/revision'] ?? 0);
    const { items } = await stage.client.list(kinds.ReplicaSet, { namespace: stage.namespace });
    for (const old of [...items].sort((a, b) => revision(b) - revision(a)).slice(3)) {
      await stage.client.delete(kinds.ReplicaSet, stage.namespace, old.metadata.name);
    }
    await eventually('older ones are gone', async () => (await copies()) <= 3);
  });
});
