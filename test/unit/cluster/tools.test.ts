import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ensureNodePrerequisites } from '../../../cluster/node.ts';
import { PrerequisiteMissing } from '../../../cluster/prerequisite.ts';
import { ensureTools, kubernetesVersion } from '../../../cluster/tools.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tools-'));
  vi.stubEnv('LICENCE_CACHE_DIR', dir);
  vi.stubEnv('LICENCE_QUIET', '1');
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

it('a given directory of tools goes before everything else', async () => {
  writeFileSync(join(dir, 'etcd'), '#!/bin/sh\n');
  chmodSync(join(dir, 'etcd'), 0o755);
  vi.stubEnv('KUBEBUILDER_ASSETS', dir);
  expect(await ensureTools(['etcd'], 'to try')).toEqual({ etcd: join(dir, 'etcd') });
});

it.runIf(process.platform === 'linux')('without Go it says what is missing, what for and what to do', async () => {
  vi.stubEnv('KUBEBUILDER_ASSETS', undefined);
  vi.stubEnv('PATH', dir);
  const attempt = ensureTools(['etcd'], 'to run a real Kubernetes API server');
  await expect(attempt).rejects.toThrow(PrerequisiteMissing);
  await expect(attempt).rejects.toThrow(
    'Go is missing; it is needed to run a real Kubernetes API server (etcd is built from source): install Go 1.26 or newer',
  );
});

it.runIf(process.platform === 'linux')('without root it says that a node needs it', async () => {
  vi.spyOn(process, 'getuid').mockReturnValue(1000);
  await expect(ensureNodePrerequisites()).rejects.toThrow(
    'root is missing; it is needed to run pods on a node (namespaces, mounts, cgroups): run this as root',
  );
});

it('the version that the tools are stamped with is the one they are built from', () => {
  const modules = readFileSync(new URL('../../../cluster/gotools/go.mod', import.meta.url), 'utf8');
  expect(modules).toContain(`k8s.io/kubernetes ${kubernetesVersion} `);
});

it('what the programs of a node share with Kubernetes is of the same versions, so that it is compiled once', () => {
  const versions = (module: string) => {
    const text = readFileSync(new URL(`../../../cluster/${module}/go.mod`, import.meta.url), 'utf8');
    const required = text.replace(/^exclude \([^)]*\)/m, '').matchAll(/^(?:\t|require )(\S+) (v\S+)/gm);
    return new Map([...required].map(([, name, version]) => [name, version]));
  };
  const kubernetes = versions('gotools');
  const shared = [...versions('gotools-node')].filter(([name]) => kubernetes.has(name));
  expect(shared.length).toBeGreaterThan(50);
  expect(shared.filter(([name, version]) => kubernetes.get(name) !== version)).toEqual([]);
});
