import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { licenceServers, openCluster } from '../../../../cli/kubectl/cluster.ts';
import { exitStatus } from '../../../../cli/kubectl/exitStatus.ts';
import { faultOf } from '../../../../cli/kubectl/faultOf.ts';

const dir = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const config = (user: object, context: object = { cluster: 'c', user: 'u' }): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:1' } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'office', context }],
    'current-context': 'office',
  });
const exec = (...args: string[]) => ({
  exec: { apiVersion: 'client.authentication.k8s.io/v1', command: args[0], args: args.slice(1) },
});

it.each<[string, string | undefined, RegExp, RegExp, number]>([
  ['is not there', undefined, /^the kubeconfig .*config cannot be read: ENOENT$/, /--kubeconfig/, exitStatus.failed],
  [
    'is no YAML',
    '{broken',
    /^the kubeconfig .*config cannot be read: unexpected end.*$/,
    /--kubeconfig/,
    exitStatus.failed,
  ],
  ['is empty', '', /^the kubeconfig .*config cannot be read: /, /--kubeconfig/, exitStatus.failed],
  [
    'is for a user that it does not have',
    config({}, { cluster: 'c', user: 'anna' }),
    /^context "office" is for user "anna", whom the kubeconfig does not have$/,
    /--context/,
    exitStatus.failed,
  ],
  [
    'signs in by a program that is not there',
    config(exec('corp-login-that-is-nowhere')),
    /^you cannot be signed in to the cluster: spawn corp-login-that-is-nowhere ENOENT$/,
    /sign in anew/,
    exitStatus.forbidden,
  ],
  [
    'signs in by a program whose session has ended',
    config(exec('/bin/sh', '-c', 'echo >&2; echo "session expired, run: corp login" >&2; exit 1')),
    /^you cannot be signed in to the cluster: session expired, run: corp login$/,
    /sign in anew/,
    exitStatus.forbidden,
  ],
  ['names a cluster that is away', config({}), /^the cluster does not answer: /, /--context/, exitStatus.failed],
])('a kubeconfig that %s is told in one sentence with what to do', async (_, text, says, todo, exit) => {
  const kubeconfig = join(dir, 'config');
  rmSync(kubeconfig, { force: true });
  if (text !== undefined) writeFileSync(kubeconfig, text);
  const { signal } = new AbortController();
  const tried = async () => licenceServers(openCluster({ kubeconfig }, signal), 'accounting');
  const fault = faultOf(await tried().catch((error: unknown) => error));
  expect(fault).toMatchObject({ message: expect.stringMatching(says), todo: expect.stringMatching(todo), exit });
});
