import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readKubeconfig, serviceAccountKubeconfig } from '../../cluster/kubeconfig.ts';
import { kinds, type ResourceKind } from '../../operator/kube/resourceKind.ts';
import { podRole, podRoleBinding } from '../../operator/licenceServer/build/podRights.ts';
import { ServiceAccounts } from '../../server/access/serviceAccounts.ts';
import { createMechanicsWorld, type MechanicsWorld } from '../support/mechanicsWorld.ts';

// A real API server signs, publishes and judges; the server has the rights that the operator gives it, and no others.
let world: MechanicsWorld;
let dir: string;
let accounts: ServiceAccounts;
let audience: string;

beforeAll(async () => {
  world = await createMechanicsWorld();
  const { namespace } = world;
  audience = `office.${namespace}.svc`;
  for (const name of ['office', 'till']) await make(kinds.ServiceAccount, { metadata: { name, namespace } });
  const owner = { name: 'office', namespace, uid: '00000000-0000-4000-8000-000000000000' };
  const spec = { access: { clients: 'ServiceAccount' } } as Parameters<typeof podRole>[1];
  for (const [kind, child] of [
    [kinds.Role, podRole(owner, spec)],
    [kinds.RoleBinding, podRoleBinding(owner, spec)],
  ] as const) {
    // nobody owns them here: the collector would take them away again
    const { ownerReferences: _, ...metadata } = child?.metadata ?? { name: '' };
    await make(kind, { ...child, metadata });
  }
  const file = await serviceAccountKubeconfig(inject('controlPlaneDir'), namespace, 'office');
  const { url, caPem, token = '' } = readKubeconfig(file);
  dir = mkdtempSync(join(tmpdir(), 'pod-tokens-'));
  writeFileSync(join(dir, 'token'), token);
  writeFileSync(join(dir, 'ca.crt'), caPem);
  accounts = new ServiceAccounts({ apiUrl: url, dir, audience, log: pino({ level: 'silent' }) });
});
afterAll(async () => {
  await accounts.close();
  await world[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

const make = (kind: ResourceKind, object: Parameters<MechanicsWorld['others']['create']>[1]) =>
  world.others.create(kind, object);
const makePod = async (name: string) => {
  const { metadata } = await make(kinds.Pod, {
    metadata: { name, namespace: world.namespace },
    spec: { serviceAccountName: 'till', containers: [{ name: 'main', image: 'none' }] },
  });
  return { name, uid: metadata.uid ?? '' };
};
/** What the kubelet projects into a pod. */
const tokenOf = async (pod: { name: string; uid: string } | undefined, audiences: readonly string[]) => {
  const { body } = await world.others.request({
    method: 'POST',
    path: `/api/v1/namespaces/${world.namespace}/serviceaccounts/till/token`,
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences,
        expirationSeconds: 600,
        ...(pod === undefined ? {} : { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', ...pod } }),
      },
    },
  });
  return (body as { status: { token: string } }).status.token;
};

describe('the token of a pod, signed by a real API server', () => {
  it('is accepted for this server only, and only while the pod is there', async () => {
    const { namespace } = world;
    const pod = await makePod('till-0');
    const token = await tokenOf(pod, [audience]);
    const subject = { podUid: `${namespace}/till-0/${pod.uid}`, podName: 'till-0', namespace };
    expect(await accounts.subjectOf(token)).toEqual(subject);
    expect(await accounts.stateOf(subject.podUid)).toBe('there');
    expect(await accounts.subjectOf(await tokenOf(pod, [`other.${namespace}.svc`]))).toBeUndefined();
    expect(await accounts.subjectOf(await tokenOf(undefined, [audience]))).toBeUndefined(); // of no pod
    const late = await tokenOf(pod, [audience, 'else']);
    await world.others.delete(kinds.Pod, namespace, 'till-0');
    await expect.poll(() => accounts.stateOf(subject.podUid), { timeout: 30_000 }).toBe('gone');
    expect(await accounts.subjectOf(late)).toBeUndefined();
    // another pod of the same name is not the same
    await makePod('till-0');
    expect(await accounts.stateOf(subject.podUid)).toBe('gone');
  });

  it('pods of other namespaces cannot be seen', async () => {
    expect(await accounts.stateOf('kube-system/any/0')).toBe('unknown');
  });
});
