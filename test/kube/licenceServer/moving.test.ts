import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import { FakeAuthority } from './fakeAuthority.ts';
import { condition, freshKey, isReady, keyIdOf, Stage, specWithKey } from './operator.ts';

/** Two places that know nothing of each other, each with an operator of its own, as two clusters are. */
let [from, to]: Stage[] = [];
beforeEach(async () => {
  from = await Stage.open(inject('kubeconfig'));
  to = await Stage.open(inject('kubeconfig'));
});
afterEach(async () => {
  await from?.close();
  await to?.close();
});

const activeKey = (server: LicenceServer) => server.status?.keys?.find((key) => key.state === 'Active')?.keyId;

describe('a LicenceServer that moves to another cluster', () => {
  test('with its identity is the same computer there', async () => {
    if (from === undefined || to === undefined) throw new Error('no stages');
    const key = freshKey();
    await from.start();
    await from.putKeys('keys', { erp: key });
    await from.create('office', specWithKey());
    const there = await from.until('office', 'is ready', isReady);
    await from.patch('office', { spec: { suspend: true } });
    await from.until('office', 'is stopped', (s) => isReady(s) && condition(s, 'Suspended')?.status === 'True');

    // As docs/moving.md writes it.
    type Secret = KubeObject & { readonly type: string; readonly immutable: boolean; readonly data: object };
    const secret = (await from.get(kinds.Secret, 'office-identity')) as Secret;
    const { apiVersion = 'v1', kind = 'Secret', type, immutable, data } = secret;
    const { name, labels = {} } = secret.metadata;
    const metadata = { name, labels, namespace: to.namespace };
    await to.client.apply(
      kinds.Secret,
      { apiVersion, kind, type, immutable, data, metadata },
      { fieldManager: 'person' },
    );
    const uid = (await to.get(kinds.Secret, 'office-identity'))?.metadata.uid;
    await to.start();
    await to.putKeys('keys', { erp: key });
    await to.create('office', specWithKey());
    const here = await to.until('office', 'is ready', isReady);
    expect(here.status?.fingerprint).toMatch(/^sha256:/);
    expect(here.status?.fingerprint).toBe(there.status?.fingerprint);
    const kept = (await to.get(kinds.Secret, 'office-identity')) as Secret;
    expect(kept.metadata.uid).toBe(uid);
    expect(kept.data).toEqual(data);
    expect(to.server('office').starts).toBe(1);
  });

  test('without it is another computer: its key is refused until a new one is made', async () => {
    if (to === undefined) throw new Error('no stage');
    const authority = new FakeAuthority();
    await authority.listen();
    const key = freshKey();
    const fault = { reason: 'KeyBoundElsewhere', message: 'generate a new key' } as const;
    to.server('office').vendor.activate.set(keyIdOf(key), fault);
    await to.start({ regeneration: true });
    await to.putKeys('keys', { erp: key });
    await to.putKeys('customer', { token: authority.token });
    const activation = { authority: { url: authority.url, tokenSecretRef: { name: 'customer' } } };
    await to.create('office', specWithKey({ activation }));
    await to.until('office', 'says why', (s) => condition(s, 'KeysActive')?.reason === 'KeyBoundElsewhere');
    await to.patch('office', { metadata: { annotations: { 'licensing.softonit.ru/regenerate-at': 'moved' } } });
    const moved = await to.until('office', 'runs the new key', (s) => {
      return isReady(s) && activeKey(s) === authority.made[0]?.keyId;
    });
    expect(moved.status?.regeneration).toMatchObject({ phase: 'Made', regenerationsLeft: 2 });
    expect(authority.made).toMatchObject([{ of: keyIdOf(key) }]);
    await authority.close();
  });
});
