import { statSync } from 'node:fs';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { ensureImage, type Target } from '../../../cluster/images.ts';
import { run } from '../../../cluster/process.ts';
import { restricted } from '../../support/pods.ts';

const { kubeconfig } = inject('cluster');
const namespace = `images-${Date.now()}`;
const kubectl = (args: readonly string[], input = '') =>
  run(inject('clients').kubectl, ['--kubeconfig', kubeconfig, '--namespace', namespace, ...args], { input });

beforeAll(async () => {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await kubectl(
    ['create', '-f', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels } }),
  );
});
afterAll(() => kubectl(['delete', 'namespace', namespace, '--wait=false']));

/** Runs an image's program once, restricted and on a read-only root, and answers what it printed. */
async function printed(target: Target, args: readonly string[], command?: readonly string[]): Promise<string> {
  const name = `${target}-${command ? 'other' : 'help'}`;
  const container = {
    name: 'once',
    image: `localhost/licence-${target}:dev`,
    args,
    ...(command ? { command } : {}),
    securityContext: restricted,
  };
  const spec = {
    restartPolicy: 'Never',
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [container],
  };
  await kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec }));
  const ended = '--for=jsonpath={.status.containerStatuses[0].state.terminated.reason}';
  await kubectl(['wait', `pod/${name}`, ended, '--timeout=60s']);
  const log = await kubectl(['logs', name]);
  const code = await kubectl([
    'get',
    'pod',
    name,
    '-o',
    'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}',
  ]);
  expect(code, log).toBe('0');
  return log;
}

it.each([
  ['operator', 180],
  ['server', 350],
  ['authority', 350],
] as const)(
  'the image of the %s is at most %i MB and its program starts without root and without writing',
  async (target, megabytes) => {
    expect(statSync((await ensureImage(target)).tar).size / 1e6).toBeLessThan(megabytes);
    expect(await printed(target, ['--help'])).toContain('Environment:');
  },
);

it.each(['server', 'authority'] as const)(
  'the image of the %s has PostgreSQL, and a name for its user',
  async (target) => {
    const log = await printed(target, ['-c', 'postgres --version && initdb --version && id -un'], ['sh']);
    expect(log).toMatch(/^postgres \(PostgreSQL\) 15\.\S+.*\ninitdb \(PostgreSQL\) 15\.\S+.*\nlicence\n$/);
  },
);
