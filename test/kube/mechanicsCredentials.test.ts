import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { readKubeconfig, serviceAccountKubeconfig, userKubeconfig } from '../../cluster/kubeconfig.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { createKubeMetrics } from '../../operator/kube/kubeMetrics.ts';
import { loadKubeClient } from '../../operator/kube/loadKubeClient.ts';
import { kinds } from '../../operator/kube/resourceKind.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { createMechanicsWorld, type MechanicsWorld } from '../support/mechanicsWorld.ts';

const dir = mkdtempSync(join(tmpdir(), 'credentials-'));
let world: MechanicsWorld;
let token: string;
const clients: KubeClient[] = [];
beforeAll(async () => {
  world = await createMechanicsWorld();
  await world.others.apply(
    kinds.ServiceAccount,
    { metadata: { namespace: world.namespace, name: 'robot' } },
    { fieldManager: 'test' },
  );
  const file = await serviceAccountKubeconfig(inject('controlPlaneDir'), world.namespace, 'robot');
  token = readKubeconfig(file).token ?? '';
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await world[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true });
});

function load(kubeconfig: string, context?: string): KubeClient {
  const { client } = loadKubeClient({
    kubeconfig,
    clock: systemClock,
    metrics: createKubeMetrics(createMetrics()),
    userAgent: 'test',
    ...(context === undefined ? {} : { context }),
  });
  clients.push(client);
  return client;
}
/** The administrator's kubeconfig with another user in it. */
function withUser(name: string, user: unknown): string {
  const config = JSON.parse(readFileSync(inject('kubeconfig'), 'utf8'));
  config.users[0].user = user;
  const file = join(dir, name);
  writeFileSync(file, JSON.stringify(config));
  return file;
}
async function whoAmI(client: KubeClient): Promise<string> {
  const { body } = await client.request({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
  });
  return (body as { status: { userInfo: { username: string } } }).status.userInfo.username;
}

describe('the client proves who it is', () => {
  it('by a client certificate', async () => {
    expect(await whoAmI(load(await userKubeconfig(inject('controlPlaneDir'), 'carol')))).toBe('carol');
  });

  it('by a token', async () => {
    const robot = `system:serviceaccount:${world.namespace}:robot`;
    expect(await whoAmI(load(withUser('token', { token })))).toBe(robot);
  });

  it('by a token file, which is read again as soon as the API server refuses the token', async () => {
    const tokenFile = join(dir, 'token.txt');
    writeFileSync(tokenFile, 'out.of.date\n');
    const client = load(withUser('file', { 'auth-provider': { name: 'tokenFile', config: { tokenFile } } }));
    await expect(whoAmI(client)).rejects.toMatchObject({ status: 401 });
    writeFileSync(tokenFile, `${token}\n`);
    expect(await whoAmI(client)).toBe(`system:serviceaccount:${world.namespace}:robot`);
  });

  it('by what a command prints', async () => {
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token } };
    const exec = {
      apiVersion: credential.apiVersion,
      command: process.execPath,
      args: ['-e', `console.log(${JSON.stringify(JSON.stringify(credential))})`],
      interactiveMode: 'Never',
    };
    expect(await whoAmI(load(withUser('exec', { exec })))).toBe(`system:serviceaccount:${world.namespace}:robot`);
  });

  it('and says which contexts there are when it is asked for another', () => {
    expect(() => load(inject('kubeconfig'), 'elsewhere')).toThrow('no context "elsewhere"; it has "cluster"');
  });
});
