import { setTimeout as delay } from 'node:timers/promises';
import { isFill, isWrite } from './auditTail.ts';
import { type Running, readMetrics } from './contestant.ts';
import { createServers, fleetOf, unsettled } from './fixture.ts';
import { useOf } from './sampleUse.ts';
import { inWorld, leading, quiet, type World, type WorldOptions } from './world.ts';

/** What a fleet costs while all is well, and while an upgrade of it is held by a server that does not come up. */
export interface HeldMeasures {
  readonly contestant: WorldOptions['contestant'];
  readonly size: number;
  readonly seconds: number;
  readonly settled: Cost;
  readonly held: Cost;
}

interface Cost {
  readonly cpuSeconds: number;
  readonly passes: number;
  readonly writes: number;
  readonly reads: number;
}

export interface HeldOptions extends WorldOptions {
  /** How long each of the two is looked at. */
  readonly steadySeconds: number;
}

/** An operator of another version takes over a settled fleet, one server rolls and does not come up, all others are held. */
export const runHeld = (options: HeldOptions): Promise<HeldMeasures> => {
  const { contestant, size, steadySeconds: seconds, onStep } = options;
  const fleet = fleetOf('server', size);
  return inWorld(options, fleet, async (world) => {
    onStep(`creating ${size}`);
    const first = await world.start('settled');
    await leading(first, world);
    await createServers(world.api, fleet, world.servers.port);
    const stormMs = 120_000 + size * 300;
    await world.guarded('fleet settled', stormMs, async () => (await unsettled(world.api, 'Ready')).length === 0);
    await quiet(world);
    onStep(`settled for ${seconds} s`);
    const settled = await costOf(world, first, seconds);
    await first.daemon.stop('SIGTERM', 30_000);

    world.pods.hold();
    const second = await world.start('held', { image: 'localhost/licence-server:next' });
    await leading(second, world);
    await world.guarded('fleet held', stormMs, async () => (await unsettled(world.api, 'Ready')).length === size);
    await quiet(world);
    onStep(`held for ${seconds} s`);
    const held = await costOf(world, second, seconds);
    await second.daemon.stop('SIGTERM', 30_000);
    return { contestant, size, seconds, settled, held };
  });
};

async function costOf({ watcher }: World, { daemon, metricsUrl }: Running, seconds: number): Promise<Cost> {
  // What was compiled and collected for the work before is not of this.
  await delay(5_000);
  watcher.take();
  const before = await readMetrics(metricsUrl);
  const from = useOf(daemon.pid).cpuSeconds;
  await delay(seconds * 1000);
  const cpuSeconds = useOf(daemon.pid).cpuSeconds - from;
  const calls = watcher.take();
  const { reconciles } = await readMetrics(metricsUrl);
  return {
    cpuSeconds,
    passes: reconciles - before.reconciles,
    writes: calls.filter(isWrite).length,
    reads: calls.filter((call) => !isWrite(call) && !isFill(call)).length,
  };
}
