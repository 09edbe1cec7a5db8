import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { type ControlPlane, startControlPlane } from '../../../cluster/controlPlane.ts';
import { isAlive, until } from '../../../cluster/process.ts';

const planes: ControlPlane[] = [];
const start = async () => {
  const plane = await startControlPlane();
  planes.push(plane);
  return plane;
};
afterEach(async () => {
  await Promise.all(planes.splice(0).map((plane) => plane.stop()));
});

const linkOf = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // closed meanwhile
  }
};
const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'mine' } };
const maps = '/api/v1/namespaces/default/configmaps';

it('two control planes side by side do not see each other, and nothing of a stopped one is left', async () => {
  const [one, other] = await Promise.all([start(), start()]);
  expect((await one.api.request('POST', maps, map)).status).toBe(201);
  expect((await one.api.request('GET', `${maps}/mine`)).status).toBe(200);
  expect((await other.api.request('GET', `${maps}/mine`)).status).toBe(404);
  await one.stop();
  expect(one.daemons.filter((d) => isAlive(d.pid))).toEqual([]);
  expect(existsSync(one.dir)).toBe(false);
  expect((await other.api.request('GET', maps)).status).toBe(200);
});

it('a restarted API server has the same objects', async () => {
  const plane = await start();
  await plane.api.request('POST', maps, map);
  await plane.stopApiServer();
  await expect(plane.api.request('GET', maps)).rejects.toThrow();
  await plane.startApiServer();
  expect((await plane.api.request('GET', `${maps}/mine`)).status).toBe(200);
});

it('a killed process takes its control plane along, and the next start removes what it left on disk', async () => {
  const module = new URL('../../../cluster/controlPlane.ts', import.meta.url).href;
  const code = `
    const { startControlPlane } = await import(${JSON.stringify(module)});
    const plane = await startControlPlane();
    console.log(JSON.stringify({ dir: plane.dir, pids: plane.daemons.map((d) => d.pid) }));
    setInterval(() => {}, 1000);`;
  const cwd = fileURLToPath(new URL('../../..', import.meta.url));
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(child.stdout, 'data');
  const { dir, pids } = JSON.parse(String(line)) as { dir: string; pids: number[] };
  expect(pids.filter(isAlive)).toHaveLength(3);
  child.kill('SIGKILL');
  await until('the end of its processes', 10_000, () => !pids.some(isAlive));
  await start();
  expect(existsSync(dir)).toBe(false);
});

it('nothing that was started listens on another interface than loopback', async () => {
  const plane = await start();
  const inodes = new Set(
    plane.daemons.flatMap(({ pid }) =>
      readdirSync(`/proc/${pid}/fd`).flatMap(
        (fd) => /socket:\[(\d+)\]/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1] ?? [],
      ),
    ),
  );
  const listening = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((row) => row.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === '0A' && inodes.has(inode ?? ''))
      .map(([, address]) => address?.split(':')[0]),
  );
  expect(listening.length).toBeGreaterThanOrEqual(3);
  expect(new Set(listening)).toEqual(new Set(['0100007F']));
});
