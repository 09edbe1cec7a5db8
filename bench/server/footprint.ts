import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuMs, familyCpuMs } from '../processUse.ts';
import type { Ours } from './contestants.ts';
import { runLoad, watchMemory } from './measure.ts';

/** What our server takes, with 100k leases. Memory in MiB, processor in % of one core, times in ms, sizes in MiB. */
export interface Footprint {
  readonly loadSeconds: number;
  readonly heartbeatsPerSecond: number;
  readonly loadedServerCpu: number;
  readonly loadedPostgresCpu: number;
  readonly tableGrowthMib: number;
  readonly tableMib: number;
  readonly diskMib: number;
  readonly serverRssMib: number;
  readonly postgresPssMib: number;
  readonly metricsP50Ms: number;
  readonly metricsP99Ms: number;
  readonly idleSeconds: number;
  readonly idleServerCpu: number;
  readonly idlePostgresCpu: number;
  readonly idleServerRssMib: number;
  readonly idlePostgresPssMib: number;
  readonly stopMs: number;
  readonly restartMs: readonly number[];
  readonly restartAfterKillMs: number;
}

const leases = 100_000;
const mebibyte = 2 ** 20;

/** Bytes that a directory takes on disk. */
const diskBytes = (dir: string): number =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => {
      const stat = statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false });
      return sum + (stat?.blocks ?? 0) * 512;
    }, 0);

const heartbeat = async (who: Ours, leaseId: string): Promise<boolean> => {
  const answer = await fetch(`http://127.0.0.1:${who.port}/v1/leases/${leaseId}/heartbeat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${who.token}` },
  });
  await answer.text();
  return answer.status === 200;
};

/** Ends `first` and starts `computer` again so often; answers the last one with what was measured. */
export async function measureFootprint(
  first: Ours,
  startAgain: () => Promise<Ours>,
  sizes: { loadSeconds: number; idleSeconds: number; restarts: number },
  say: (step: string) => void,
): Promise<{ ours: Ours; footprint: Footprint }> {
  let ours = first;
  const leaseFile = await ours.fixture.fill(leases, false, true);
  await ours.fixture.dropSeed();
  const someLease = String((await ours.fixture.query('SELECT lease_id FROM lease LIMIT 1'))[0]?.lease_id);

  say(`heartbeats for ${sizes.loadSeconds} s`);
  const tableBefore = await ours.fixture.bytesOf('lease');
  const cpu = () => ({ server: cpuMs(ours.pid), postgres: familyCpuMs(ours.postgresPid) });
  const share = (from: { server: number; postgres: number }, ms: number) => {
    const to = cpu();
    return { server: ((to.server - from.server) / ms) * 100, postgres: ((to.postgres - from.postgres) / ms) * 100 };
  };
  const load = { port: ours.port, token: ours.token, connections: 64, seconds: sizes.loadSeconds, leaseFile };
  const loadedFrom = cpu();
  const startedAt = performance.now();
  const loadedMemory = watchMemory(ours);
  const loaded = await runLoad({ ...load, kind: 'heartbeat' });
  const loadedCpu = share(loadedFrom, performance.now() - startedAt);
  const memory = loadedMemory();
  const table = await ours.fixture.bytesOf('lease');

  say('metrics');
  const metrics = await runLoad({
    ...load,
    kind: 'metrics',
    token: ours.adminToken,
    connections: 1,
    seconds: Math.min(3, sizes.loadSeconds),
  });

  say(`nothing for ${sizes.idleSeconds} s`);
  // what the load left to tidy up is of the load, and would come some time within the next minute
  await ours.fixture.query('VACUUM lease');
  await ours.fixture.query('CHECKPOINT');
  await delay(3_000);
  const idleFrom = cpu();
  const idleStart = performance.now();
  await delay(sizes.idleSeconds * 1000);
  const idle = share(idleFrom, performance.now() - idleStart);
  const idleMemory = watchMemory(ours)();
  const disk = diskBytes(ours.dataDir);

  const restart = async (signal: NodeJS.Signals): Promise<{ stopMs: number; startMs: number }> => {
    const stopAt = performance.now();
    await ours.stop(signal);
    const startAt = performance.now();
    ours = await startAgain();
    while (!(await heartbeat(ours, someLease))) await delay(2);
    return { stopMs: startAt - stopAt, startMs: performance.now() - startAt };
  };
  const restarts: { stopMs: number; startMs: number }[] = [];
  for (let i = 1; i <= sizes.restarts; i++) {
    say(`restart ${i} of ${sizes.restarts}`);
    restarts.push(await restart('SIGTERM'));
  }
  say('restart after a kill');
  const afterKill = await restart('SIGKILL');

  const footprint: Footprint = {
    loadSeconds: sizes.loadSeconds,
    heartbeatsPerSecond: loaded.perSecond,
    loadedServerCpu: loadedCpu.server,
    loadedPostgresCpu: loadedCpu.postgres,
    tableGrowthMib: (table - tableBefore) / mebibyte,
    tableMib: table / mebibyte,
    diskMib: disk / mebibyte,
    ...memory,
    metricsP50Ms: metrics.p50Ms,
    metricsP99Ms: metrics.p99Ms,
    idleSeconds: sizes.idleSeconds,
    idleServerCpu: idle.server,
    idlePostgresCpu: idle.postgres,
    idleServerRssMib: idleMemory.serverRssMib,
    idlePostgresPssMib: idleMemory.postgresPssMib,
    stopMs: Math.max(...restarts.map((r) => r.stopMs)),
    restartMs: restarts.map((r) => r.startMs),
    restartAfterKillMs: afterKill.startMs,
  };
  return { ours, footprint };
}
