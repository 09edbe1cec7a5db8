import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { startFaultProxy } from '../../support/faultProxy.ts';
import { FakeAuthority } from './fakeAuthority.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, keyIdOf, Stage, specWithKey } from './operator.ts';

let stage: Stage;
let authority: FakeAuthority;
beforeEach(async () => {
  authority = new FakeAuthority();
  await authority.listen();
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(async () => {
  await stage.close();
  await authority.close();
});

const annotation = 'licensing.softonit.ru/regenerate-at';
const activeKey = (server: LicenceServer) => server.status?.keys?.find((key) => key.name === 'erp')?.keyId;
const ask = (value: string) => stage.patch('office', { metadata: { annotations: { [annotation]: value } } });
const regeneration = (server: LicenceServer) => server.status?.regeneration;
const deploymentGeneration = async () => (await stage.get(kinds.Deployment, 'office'))?.metadata.generation;

/** A server named office that runs with `key`, and whose authority knows its customer. */
async function running(key: string, start: Parameters<Stage['start']>[0] = {}) {
  await stage.start({ regeneration: true, ...start });
  await stage.putKeys('keys', { erp: key });
  await stage.putKeys('customer', { token: authority.token });
  const activation = { authority: { url: authority.url, tokenSecretRef: { name: 'customer' } } };
  await stage.create('office', specWithKey({ activation }));
  return stage.until('office', 'is ready', isReady);
}

describe('a regeneration', () => {
  test('shows the budget, spends one, keeps the new key beside the person’s Secret, and rotates to it once', async () => {
    const first = freshKey();
    await running(first);
    const before = await stage.get<KubeObject & { data: unknown }>(kinds.Secret, 'keys');
    await ask('2030-01-01T00:00:00Z');
    const after = await stage.until('office', 'runs the new key', (s) => {
      return isReady(s) && activeKey(s) === authority.made[0]?.keyId;
    });
    expect(authority.calls).toEqual(['allowance', 'regenerate']);
    expect(authority.made).toMatchObject([{ of: keyIdOf(first) }]);
    expect(regeneration(after)).toMatchObject({ phase: 'Made', key: 'erp', regenerationsLeft: 2 });
    expect(stage.server('office').starts).toBe(2);
    expect((await stage.get<KubeObject & { data: unknown }>(kinds.Secret, 'keys'))?.data).toEqual(before?.data);
    await eventually('people are told', async () => {
      const events = await stage.events();
      const allowed = events.find((event) => event.reason === 'RegenerationAllowed');
      return allowed?.note.includes('3 left') && events.some((event) => event.reason === 'KeyRegenerated');
    });
    const { data } = (await stage.get(
      kinds.Secret,
      `office-regenerated-${authority.made[0]?.keyId}`,
    )) as unknown as KubeObject & { data: Record<string, string> };
    const text = Buffer.from(data.erp ?? '', 'base64').toString();
    expect(JSON.stringify([after, await stage.events()])).not.toContain(text.slice(0, 11));

    // The same value again, a new operator, another edit: none of them is another request.
    await ask('2030-01-01T00:00:00Z');
    await stage.restart({ regeneration: true });
    await stage.patch('office', { spec: { staleSeats: { threshold: 2 } } });
    await stage.until('office', 'is ready', isReady);
    expect(authority.made.length).toBe(1);

    // The person takes it over: nothing changes. Another key of theirs counts at once.
    await stage.putKeys('keys', { erp: text });
    const another = freshKey();
    await stage.putKeys('keys', { erp: another });
    await stage.until('office', 'runs the person’s key', (s) => isReady(s) && activeKey(s) === keyIdOf(another));
    expect(stage.server('office').starts).toBe(3);
  });

  test('beyond the month’s budget is refused with the date, and changes nothing', async () => {
    await running(freshKey());
    authority.left = 0;
    const generation = await deploymentGeneration();
    await ask('erp@2030-01-01T00:00:00Z');
    const refused = await stage.until('office', 'is refused', (s) => regeneration(s)?.phase === 'Refused');
    expect(regeneration(refused)).toMatchObject({
      reason: 'RegenerationLimit',
      regenerationsLeft: 0,
      regenerationsResetAt: authority.resetAt,
    });
    expect(regeneration(refused)?.message).toContain(authority.resetAt);
    expect(authority.calls).toEqual(['allowance']);
    await eventually('people are told when', async () =>
      (await stage.events()).some((e) => e.reason === 'RegenerationLimit' && e.note.includes(authority.resetAt)),
    );
    expect(await deploymentGeneration()).toBe(generation);
    expect(condition(refused, 'Ready')?.status).toBe('True');
  });

  test('waits for an authority that is away, and for the token’s Secret', async () => {
    await running(freshKey());
    await stage.client.delete(kinds.Secret, stage.namespace, 'customer');
    await ask('1');
    await stage.until('office', 'waits for the Secret', (s) => regeneration(s)?.reason === 'SecretMissing');
    authority.away = true;
    await stage.putKeys('customer', { token: authority.token });
    const waits = await stage.until('office', 'waits for the authority', (s) => {
      return regeneration(s)?.reason === 'AuthorityUnreachable';
    });
    expect(regeneration(waits)?.nextAttemptAt).toBeDefined();
    authority.away = false;
    await stage.until(
      'office',
      'has the new key',
      (s) => isReady(s) && activeKey(s) === authority.made[0]?.keyId,
      60_000,
    );
  });

  test.each([
    ['RegenerationDisabled', { regeneration: false }, '1'],
    ['KeyNotInSpec', {}, 'crm@1'],
  ])('that cannot be is refused with %s', async (reason, start, value) => {
    await running(freshKey(), start);
    await ask(value);
    await stage.until('office', 'is refused', (s) => regeneration(s)?.reason === reason);
    expect(authority.calls).toEqual([]);
  });

  test('of a LicenceServer that was restored with its annotations is not made again', async () => {
    await stage.start({ regeneration: true });
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.putKeys('customer', { token: authority.token });
    const activation = { authority: { url: authority.url, tokenSecretRef: { name: 'customer' } } };
    const annotations = { [annotation]: 'erp@2020-01-01T00:00:00Z' };
    await stage.create('office', specWithKey({ activation }), { annotations });
    await stage.until('office', 'is refused', (s) => regeneration(s)?.reason === 'RequestOutdated');
    const restored = await stage.until('office', 'is ready', isReady);
    expect(regeneration(restored)).toMatchObject({ phase: 'Refused' });
    expect(authority.calls).toEqual([]);
  });

  test('that is under way ends when the operator may make no keys any more', async () => {
    await running(freshKey());
    authority.away = true;
    await ask('erp@2030-01-01T00:00:00Z');
    await stage.until('office', 'waits', (s) => regeneration(s)?.reason === 'AuthorityUnreachable');
    await stage.restart({ regeneration: false });
    authority.away = false;
    const refused = await stage.until('office', 'is refused', (s) => regeneration(s)?.phase === 'Refused');
    expect(regeneration(refused)).toMatchObject({ reason: 'RegenerationDisabled' });
    expect(authority.made).toEqual([]);
  });

  test('is not spent while its Secret could not be kept, and says who refuses it', async () => {
    await running(freshKey());
    await stage.forbidSecrets();
    await ask('2030-01-01T00:00:00Z');
    const waits = await stage.until('office', 'waits', (s) => regeneration(s)?.reason === 'SecretRefused');
    expect(regeneration(waits)).toMatchObject({
      phase: 'Allowed',
      message: expect.stringContaining('exceeded quota: few'),
    });
    expect(condition(waits, 'Available')?.status).toBe('True');
    expect(authority.calls).toEqual(['allowance']);
    await stage.allowSecrets();
    await stage.until(
      'office',
      'runs the new key',
      (s) => isReady(s) && activeKey(s) === authority.made[0]?.keyId,
      60_000,
    );
    expect(authority.made.length).toBe(1);
  }, 120_000);

  test('is not lost where somebody else has the name of its Secret: it waits, says so, and takes the same key', async () => {
    await running(freshKey());
    const key = freshKey();
    authority.next.push(key);
    const secret = `office-regenerated-${keyIdOf(key)}`;
    await stage.putKeys(secret, { somebody: 'else' });
    await ask('2030-01-01T00:00:00Z');
    const waits = await stage.until('office', 'waits', (s) => regeneration(s)?.reason === 'NameTaken');
    expect(regeneration(waits)).toMatchObject({ phase: 'Allowed', message: expect.stringContaining(secret) });
    await stage.client.delete(kinds.Secret, stage.namespace, secret);
    const after = await stage.until(
      'office',
      'runs the new key',
      (s) => isReady(s) && activeKey(s) === keyIdOf(key),
      60_000,
    );
    expect(regeneration(after)).toMatchObject({ phase: 'Made', newKeyId: keyIdOf(key) });
    expect(authority.made.length).toBe(1);
  }, 120_000);

  test('spends one and rolls once, wherever the operator is killed', async () => {
    await using proxy = await startFaultProxy(inject('kubeconfig'));
    await running(freshKey());
    // The writes that a regeneration consists of, and the answer that is lost while it is made.
    const cuts = [
      ['status 1', 'after'],
      ['status 2', 'after'],
      ['secret', 'before'],
      ['secret', 'after'],
      ['status 3', 'before'],
      ['made', 'before'],
    ] as const;
    for (const [round, [what, when]] of cuts.entries()) {
      const told = `killed ${when} ${what}`;
      authority.left = 3;
      const [made, starts] = [authority.made.length, stage.server('office').starts];
      await stage.operator?.stop();
      let [isDead, statuses] = [false, 0];
      authority.onMade = () => {
        if (what === 'made') isDead = true;
      };
      proxy.fault = ({ method, url }) => {
        if (isDead) return { cut: 'before' };
        const isStatus = url.pathname.endsWith('/office/status');
        if (isStatus) statuses += 1;
        const isSecret = method === 'POST' && url.pathname.endsWith('/secrets');
        if (isStatus ? what !== `status ${statuses}` : !(isSecret && what === 'secret')) return undefined;
        isDead = true;
        return { cut: when };
      };
      await ask(`round ${round}`);
      await stage.start({ regeneration: true, kubeconfig: proxy.kubeconfig });
      await eventually(told, () => isDead, 60_000);
      await stage.restart({ regeneration: true });
      await stage.until(
        'office',
        `ends after being ${told}`,
        (s) => isReady(s) && authority.made.length > made && activeKey(s) === authority.made.at(-1)?.keyId,
        60_000,
      );
      expect(authority.made.length - made, told).toBe(1);
      expect(stage.server('office').starts - starts, told).toBe(1);
    }
  }, 240_000);
});
