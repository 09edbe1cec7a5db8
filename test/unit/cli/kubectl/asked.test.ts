import type { KubeConfig } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import type { Cluster } from '../../../../cli/kubectl/cluster.ts';
import { CommandFault, exitStatus } from '../../../../cli/kubectl/exitStatus.ts';
import { look, lookMeanwhile } from '../../../../cli/kubectl/picture.ts';
import { openServer } from '../../../../cli/kubectl/serverLink.ts';
import type { KubeClient } from '../../../../operator/kube/client.ts';
import { serverOf } from './pictures.ts';

/** A cluster of one server with one ready pod. Notes what it is asked for, and which of that was asked while something else was. */
function cluster(has: { token: boolean; right: boolean }) {
  const asked: string[] = [];
  let together = 0;
  let most = 0;
  const answer = async <T>(what: string, body: T): Promise<T> => {
    asked.push(what);
    most = Math.max(most, ++together);
    await new Promise((resolve) => setImmediate(resolve));
    together--;
    return body;
  };
  const pod = {
    metadata: { name: 'office-1', namespace: 'accounting' },
    spec: {},
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  };
  const data = has.token ? { admin: Buffer.from('t').toString('base64') } : {};
  const client = {
    list: ({ kind }: { kind: string }) => answer(kind, { items: kind === 'Pod' ? [pod] : [], resourceVersion: '1' }),
    get: ({ kind }: { kind: string }) => answer(kind, kind === 'Secret' ? { metadata: {}, data } : undefined),
    request: () => answer('right', { status: 201, body: { status: { allowed: has.right } } }),
  };
  const config = { getCurrentCluster: () => null } as unknown as KubeConfig; // a port-forward ends at once
  const { signal } = new AbortController();
  const made: Cluster = { client: client as unknown as KubeClient, config, namespace: 'accounting', signal };
  return { made, asked, most: () => most };
}
const server = serverOf();

it('status asks for each thing once, and side by side for what does not follow from an answer', async () => {
  const { made, asked, most } = cluster({ token: true, right: true });
  const { answer, pods } = await look(made, server);
  expect(asked.sort()).toEqual(
    ['Deployment', 'Deployment', 'Event', 'PersistentVolumeClaim', 'Pod', 'Secret', 'right'].sort(),
  );
  expect(most()).toBe(6);
  expect(pods.map(({ name }) => name)).toEqual(['office-1']);
  expect(answer).toMatchObject({ kind: 'silent', message: expect.stringContaining('does not answer') });
});

it('what goes by the name of a server is asked for beside the server itself; that there is none goes before all else', async () => {
  const { made, asked } = cluster({ token: false, right: true });
  let tell = (_: Error) => {};
  const reading = new Promise<never>((_, reject) => {
    tell = reject;
  });
  const looked = lookMeanwhile(made, server.metadata, reading);
  looked.catch(() => {});
  await expect.poll(() => asked.toSorted()).toEqual(['Deployment', 'Deployment', 'Event', 'Pod', 'Secret']);
  tell(new CommandFault('there is no LicenceServer "office"'));
  await expect(looked).rejects.toThrow('there is no LicenceServer "office"');
});

it('what a server cannot be reached for is told in the same order, whatever was answered first', async () => {
  const refused = async (has: { token: boolean; right: boolean }) =>
    (await openServer(cluster(has).made, server)).call('GET', '/v1/status');
  await expect(refused({ token: false, right: true })).rejects.toThrow(/Secret office-tokens has no token/);
  await expect(refused({ token: false, right: false })).rejects.toThrow(/Secret office-tokens has no token/);
  await expect(refused({ token: true, right: false })).rejects.toMatchObject({
    message: 'you may not create pods/portforward in namespace accounting',
    exit: exitStatus.forbidden,
  });
  await expect(refused({ token: true, right: true })).rejects.toThrow(/does not answer/);
});
