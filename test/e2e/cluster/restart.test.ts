import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, inject, it } from 'vitest';
import { startCluster } from '../../../cluster/cluster.ts';
import { createKubeApi } from '../../../cluster/kubeApi.ts';
import { readKubeconfig } from '../../../cluster/kubeconfig.ts';
import { isAlive, until } from '../../../cluster/process.ts';

const maps = '/api/v1/namespaces/default/configmaps';
const cgroups = () =>
  readdirSync('/sys/fs/cgroup').flatMap((controller) => {
    const dir = join('/sys/fs/cgroup', controller);
    return existsSync(join(dir, 'cgroup.procs'))
      ? readdirSync(dir).filter((n) => n.startsWith('softonit-licence-'))
      : [];
  });

it('a cluster whose process was killed ends with it; started again in its directory it has its objects, beside another cluster', async () => {
  const before = new Set(cgroups());
  const dir = mkdtempSync(join(tmpdir(), 'softonit-licence-kept-'));
  const module = new URL('../../../cluster/cluster.ts', import.meta.url).href;
  const code = `
    const { startCluster } = await import(${JSON.stringify(module)});
    const { nsenterPid, controlPlane, runDir } = await startCluster({ dir: ${JSON.stringify(dir)}, images: [] });
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mine' } };
    const { status } = await controlPlane.api.request('POST', ${JSON.stringify(maps)}, map);
    console.log(JSON.stringify({ status, nsenterPid, runDir, url: controlPlane.url }));
    setInterval(() => {}, 1000);`;
  const cwd = fileURLToPath(new URL('../../..', import.meta.url));
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout, 'data');
  const killed = JSON.parse(String(line)) as { status: number; nsenterPid: number; runDir: string; url: string };
  expect(killed.status).toBe(201);
  await expect(startCluster({ dir, images: [] })).rejects.toThrow(`a cluster is already running in ${dir}`);
  child.kill('SIGKILL');
  await until('the end of its namespaces', 15_000, () => !isAlive(killed.nsenterPid));

  const again = await startCluster({ dir, images: [] });
  try {
    expect(again.controlPlane.url).toBe(killed.url);
    expect((await again.controlPlane.api.request('GET', `${maps}/mine`)).status).toBe(200);
    const neighbour = createKubeApi(readKubeconfig(inject('cluster').kubeconfig));
    expect((await neighbour.request('GET', `${maps}/mine`)).status).toBe(404);
    neighbour.close();
    expect(existsSync(killed.runDir)).toBe(false);
  } finally {
    await again.stop();
  }
  expect(existsSync(dir)).toBe(false);
  expect(isAlive(again.nsenterPid)).toBe(false);
  expect(cgroups().filter((name) => !before.has(name))).toEqual([]);
});
