import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { stringify } from 'yaml';
import { userKubeconfig } from '../../../cluster/kubeconfig.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import type { SpecInput } from '../../../operator/licenceServer/api/types.ts';
import type { Previews } from '../../../operator/licenceServer/preview/previewWorld.ts';
import { runPlan } from '../../../operator/planCommand.ts';
import { settings } from '../../../operator/settings.ts';
import { eventually } from './harness.ts';
import { freshKey, isReady, keyIdOf, Stage, specWithKey } from './operator.ts';

let stage: Stage;
let dir: string;
const names = ['alpha', 'beta', 'gamma'];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'plan-'));
  stage = await Stage.open(inject('kubeconfig'));
  await stage.start({ maxRollouts: 1 });
  await stage.putKeys('keys', { erp: freshKey() });
  for (const name of names) {
    stage.server(name).live = 4;
    await stage.create(name, specWithKey());
  }
  for (const name of names) await stage.until(name, 'is ready', isReady, 60_000);
});
afterAll(async () => {
  await stage.close();
  rmSync(dir, { recursive: true });
});

/** Runs the command as a person does; the operator's own image stays, unless the arguments name another. */
async function plan(args: readonly string[], more: { readonly kubeconfig?: string } = {}) {
  let [out, err] = ['', ''];
  const code = await runPlan(['-n', stage.namespace, ...args], {
    env: { OPERATOR_SERVER_IMAGE: 'licence-server:test', OPERATOR_RUNBOOKS_URL: 'https://runbooks.example' },
    version: 'test',
    settings,
    kubeconfig: more.kubeconfig ?? inject('kubeconfig'),
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
  });
  const items = () => (JSON.parse(out) as Previews).items;
  return { code, out, err, items };
}

const file = (...objects: readonly object[]): string => {
  const path = join(dir, `${Math.random().toString(36).slice(2)}.yaml`);
  writeFileSync(path, objects.map((object) => stringify(object)).join('---\n'));
  return path;
};
const manifest = (name: string, spec: SpecInput | Record<string, unknown>) => ({
  apiVersion: 'licensing.softonit.ru/v1beta1',
  kind: 'LicenceServer',
  metadata: { name },
  spec,
});
const generations = async () =>
  Promise.all(names.map(async (name) => (await stage.get(kinds.Deployment, name))?.metadata.generation));

describe('the plan', () => {
  test('of what is there already is that nothing changes', async () => {
    const told = await plan([]);
    expect(told.err).toBe('');
    expect(told.out).toMatch(/3 LicenceServers: 3 stay as they are/);
    expect(told.code).toBe(0);
  });

  test('of an edit that restarts nothing names what changes, and that is what happens', async () => {
    const edited = specWithKey({ service: { annotations: { team: 'a' } }, staleSeats: { threshold: 7 } });
    const told = await plan(['-f', file(manifest('alpha', edited)), '-o', 'json']);
    expect(told.items()).toMatchObject([
      {
        name: 'alpha',
        outcome: 'Changes',
        restarts: [],
        children: [{ kind: 'Service', name: 'alpha', action: 'change', fields: ['metadata.annotations.team'] }],
        seats: [{ product: 'erp', inUse: 4, limit: 10 }],
      },
    ]);
    expect(told.code).toBe(0);
    const starts = stage.server('alpha').starts;
    await stage.patch('alpha', { spec: edited });
    await eventually('it was done', async () => {
      return (await stage.get(kinds.Service, 'alpha'))?.metadata.annotations?.team === 'a';
    });
    await stage.until('alpha', 'is ready', isReady);
    expect(stage.server('alpha').starts).toBe(starts);
  });

  test('of an edit that restarts says why, and that is why it restarts', async () => {
    const edited = specWithKey({ seats: { leaseSeconds: 300 } });
    const told = await plan(['-f', file(manifest('beta', edited))]);
    expect(told.out).toMatch(/^\S+ +beta +Restarts +ConfigChanged +erp 4\/10$/m);
    expect(told.out).toMatch(/restarts at once: ConfigChanged/);
    expect(told.out).toMatch(/\+ ConfigMap beta-config-/);
    expect(told.out).toMatch(/~ Deployment beta: .*envFrom/);
    expect(told.code).toBe(2);
    const starts = stage.server('beta').starts;
    await stage.patch('beta', { spec: edited });
    const after = await stage.until('beta', 'has rolled', (s) => isReady(s) && stage.server('beta').starts > starts);
    expect(after.status?.lastRoll?.reasons).toEqual(['ConfigChanged']);
  });

  test.each([
    ['a rule of the API', { ...specWithKey(), replicas: 2 }, 'more than one replica needs database'],
    ['a misspelt field', { ...specWithKey(), replcas: 1 }, 'unknown field "spec.replcas"'],
  ])('of an edit against %s is refused in the API server’s own words', async (_, spec, message) => {
    const told = await plan(['-f', file(manifest('gamma', spec))]);
    expect(told.out).toContain(message);
    expect(told.code).toBe(3);
  });

  test('of new keys in their Secret is a restart after the check, inside the window if there is one', async () => {
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'others' },
      stringData: { erp: freshKey() },
    };
    const hour = (new Date().getUTCHours() + 12) % 24;
    const windows = [{ schedule: `0 ${hour} * * *`, duration: '1h' }];
    const keys = [{ name: 'erp', secretRef: { name: 'others', key: 'erp' } }];
    const always = await plan(['-f', file(secret, manifest('gamma', specWithKey({ keys }))), '-o', 'json']);
    expect(always.items()).toMatchObject([
      { outcome: 'Restarts', restarts: [{ reasons: ['KeysChanged'], when: expect.stringContaining('checked') }] },
    ]);
    expect(always.out).not.toContain(secret.stringData.erp.slice(0, 11));
    const spec = specWithKey({ keys, staleSeats: { windows }, keyRotation: { when: 'Window' } });
    const windowed = await plan(['-f', file(secret, manifest('gamma', spec)), '-o', 'json']);
    expect(windowed.items()[0]?.restarts).toMatchObject([
      { reasons: ['KeysChanged'], when: expect.stringContaining('window') },
    ]);
  });

  test('of a new image for all servers paces them, and touches nothing', async () => {
    const before = await generations();
    const told = await plan(['--image', 'licence-server:next', '-o', 'json']);
    expect(told.items().map(({ name, restarts }) => [name, restarts[0]?.reasons, restarts[0]?.turn])).toEqual([
      ['alpha', ['ImageChanged'], 1],
      ['beta', ['ImageChanged'], 2],
      ['gamma', ['ImageChanged'], 3],
    ]);
    expect(told.code).toBe(2);
    const two = await plan(['--image', 'licence-server:next', '--max-rollouts', '2', '-o', 'json']);
    expect(two.items().map(({ restarts }) => restarts[0]?.turn)).toEqual([1, 1, 2]);
    expect(await generations()).toEqual(before);
  });

  test('of an edit that has stale seats cleared tells the restart that a later pass makes', async () => {
    await stage.patch('gamma', { spec: { staleSeats: { when: 'Idle' } } });
    stage.server('gamma').stale = 2;
    await stage.until(
      'gamma',
      'waits',
      (s) => s.status?.nextDisruption !== undefined && s.status.seatsStale === 2,
      90_000,
    );
    const idle = await plan([], {});
    expect(idle.code).toBe(0);
    expect(idle.out).toContain('next disruption: StaleSeats');
    const always = await plan([
      '-f',
      file(manifest('gamma', specWithKey({ staleSeats: { when: 'Always' } }))),
      '-o',
      'json',
    ]);
    expect(always.items()).toMatchObject([
      { outcome: 'Restarts', restarts: [{ reasons: ['StaleSeats'], when: 'at once' }] },
    ]);
    expect(always.code).toBe(2);
    const threshold = specWithKey({ staleSeats: { when: 'Always', threshold: 3 } });
    expect((await plan(['-f', file(manifest('gamma', threshold))])).code).toBe(0);
    stage.server('gamma').stale = 0;
    await stage.until('gamma', 'is ready', (s) => isReady(s) && s.status?.seatsStale === 0, 90_000);
  }, 240_000);

  test('of keys that were refused is no restart, and says when they are tried again', async () => {
    const refused = freshKey();
    stage.server('gamma').vendor.check.set(keyIdOf(refused), { reason: 'KeyRevoked', message: 'ask the vendor' });
    await stage.putKeys('gamma-keys', { erp: refused });
    const keys = [{ name: 'erp', secretRef: { name: 'gamma-keys', key: 'erp' } }];
    const before = (await stage.licenceServer('gamma')).spec as SpecInput;
    await stage.patch('gamma', { spec: { keys } });
    const told = await stage.until('gamma', 'is refused', (s) => s.status?.rotation?.reason === 'KeyRevoked');
    const now = await plan([]);
    expect(now.out).toContain(`refused 1 time (KeyRevoked: key erp: ask the vendor); they are tried again at`);
    expect(now.out).toContain(told.status?.rotation?.nextAttemptAt);
    expect(now.code).toBe(0);
    await stage.patch('gamma', { spec: { keys: before.keys ?? [] } });
    await stage.until('gamma', 'is ready again', isReady);
  }, 120_000);

  test('of a new LicenceServer lists what is made', async () => {
    const told = await plan(['-f', file(manifest('delta', specWithKey())), '-o', 'json']);
    expect(told.items()).toMatchObject([{ name: 'delta', outcome: 'Created', restarts: [] }]);
    expect(told.items()[0]?.children.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['Secret', 'Deployment']));
    expect(told.code).toBe(0);
    expect(await stage.get(kinds.Deployment, 'delta')).toBeUndefined();
  });

  test('needs no more than a viewer’s rights, and says what it then does not know', async () => {
    const rules = [
      {
        apiGroups: ['licensing.softonit.ru', 'apps', 'networking.k8s.io', 'policy'],
        resources: ['*'],
        verbs: ['get', 'list'],
      },
      {
        apiGroups: [''],
        resources: ['configmaps', 'services', 'serviceaccounts', 'persistentvolumeclaims'],
        verbs: ['get', 'list'],
      },
    ];
    const role = { group: 'rbac.authorization.k8s.io', version: 'v1', namespaced: true };
    const metadata = { name: 'viewer', namespace: stage.namespace };
    await stage.client.create({ ...role, kind: 'Role', plural: 'roles' }, { metadata, rules });
    const user = `viewer-of-${stage.namespace}`;
    await stage.client.create(
      { ...role, kind: 'RoleBinding', plural: 'rolebindings' },
      {
        metadata,
        roleRef: { apiGroup: role.group, kind: 'Role', name: 'viewer' },
        subjects: [{ apiGroup: role.group, kind: 'User', name: user }],
      },
    );
    const kubeconfig = await userKubeconfig(inject('controlPlaneDir'), user);
    const still = await eventually('the rights hold', async () => {
      const told = await plan([], { kubeconfig });
      return told.code !== 1 && told;
    });
    expect(still.out).toMatch(/3 stay as they are/);
    expect(still.out).toMatch(/note: Secrets cannot be read/);
    const edited = specWithKey({ seats: { leaseSeconds: 240 } });
    const told = await plan(['-f', file(manifest('gamma', edited))], { kubeconfig });
    expect(told.out).toMatch(/restarts at once: ConfigChanged$/m);
    expect(told.out).toMatch(/note: without the right to patch licenceservers/);
    expect(told.code).toBe(2);
  });

  test('that cannot be made says what is wrong', async () => {
    expect(await plan(['-f', join(dir, 'no-such-file')])).toMatchObject({
      code: 1,
      err: expect.stringContaining('no-such-file'),
    });
    expect(await plan(['-o', 'xml'])).toMatchObject({ code: 1, err: expect.stringContaining('table, json or yaml') });
  });
});
