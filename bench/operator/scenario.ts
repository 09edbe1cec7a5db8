import { setTimeout as delay } from 'node:timers/promises';
import { type Call, isFill, isWrite, tally } from './auditTail.ts';
import { type ChurnMeasures, churn } from './churn.ts';
import { type Contestant, firstPassAt, readMetrics } from './contestant.ts';
import { type EditTimes, editWhile } from './edits.ts';
import { createServers, fleetOf, keyOf, type Server, unsettled } from './fixture.ts';
import { sampleUse, useOf } from './sampleUse.ts';
import { inWorld, leading, quiet, type World, type WorldOptions } from './world.ts';

/** What one run is: one operator, one fleet, a control plane of its own. */
export interface ScenarioOptions extends WorldOptions {
  /** How long nothing is done, to see what the operator does then. */
  readonly steadySeconds: number;
  /** How long the fleet is kept from coming to rest afterwards; 0: not at all. */
  readonly churnMinutes?: number;
  readonly profile?: string | undefined;
}

/** What one run measured. Times in milliseconds, memory in MiB, processor time in seconds. */
export interface Measures {
  readonly contestant: Contestant;
  readonly size: number;
  /** Start of the process to its first request, and to the leader's lease in an idle cluster. */
  readonly firstRequestMs: number;
  readonly leaderMs: number;
  /** First create to the last child applied, and to the last status written. */
  readonly appliedMs: number;
  readonly settledMs: number;
  readonly callsPerServer: number;
  readonly writesPerServer: number;
  readonly reconcilesPerServer: number;
  readonly callsPerReconcile: number;
  readonly failures: number;
  /** Calls of the storm by verb and resource, a server. */
  readonly calls: Readonly<Record<string, number>>;
  readonly edits: EditTimes;
  readonly cpuSeconds: number;
  readonly rssIdleMib: number;
  readonly rssPeakMib: number;
  readonly rssSettledMib: number;
  readonly steadySeconds: number;
  readonly steadyWrites: number;
  readonly steadyReads: number;
  readonly steadyCpuSeconds: number;
  readonly exitMs: number;
  /** Start of the process to every server reconciled again, and to every server asked for its status (ours alone does). */
  readonly restartMs: number;
  readonly restartAskedMs: number;
  readonly restartWrites: number;
  readonly restartReads: number;
  readonly restartCalls: Readonly<Record<string, number>>;
  readonly restartCpuSeconds: number;
  readonly restartRssPeakMib: number;
  readonly churn?: ChurnMeasures;
}

/** Children that both operators make for each server of the fleet, as the API server counts creations. */
const childrenOf: Readonly<Record<string, number>> = {
  serviceaccounts: 1,
  secrets: 3,
  configmaps: 2,
  persistentvolumeclaims: 1,
  deployments: 1,
  services: 1,
  networkpolicies: 1,
};
const canaries = 40;

/** Runs the whole scenario once and ends everything that it started. */
export const runScenario = (options: ScenarioOptions): Promise<Measures> => {
  const [early, fleet] = [fleetOf('canary', canaries), fleetOf('server', options.size)];
  return inWorld(options, [...early, ...fleet], (world) => measure(options, world, early, fleet));
};

async function measure(
  options: ScenarioOptions,
  world: World,
  early: readonly Server[],
  fleet: readonly Server[],
): Promise<Measures> {
  const { contestant, size, steadySeconds, onStep } = options;
  const { api, servers, watcher, guarded, start } = world;
  onStep('cold start');
  const first = await start('first', { profile: options.profile });
  const firstCalls: Call[] = [];
  const leaderAt = await leading(first, world, firstCalls);
  const firstRequestAt = Math.min(...firstCalls.map((c) => c.fromAt));
  const { pid } = first.daemon;
  await createServers(api, early, servers.port);
  await quiet(world);
  await guarded('canaries settled', 60_000, async () => (await unsettled(api, 'Ready')).length === 0);
  const rssIdleMib = useOf(pid).rssMib;

  onStep(`creating ${size}`);
  watcher.take();
  const sampler = sampleUse(pid);
  const before = { cpu: useOf(pid).cpuSeconds, metrics: await readMetrics(first.metricsUrl) };
  const expected = new Map(Object.entries(childrenOf).map(([resource, each]) => [resource, each * size]));
  let appliedAt: number | undefined;
  const editing = editWhile(api, early, () => appliedAt !== undefined);
  const createdAt = Date.now();
  const creating = createServers(api, fleet, servers.port);
  const fleetNames = new Set(fleet.map(keyOf));
  const look = () => {
    for (const call of watcher.look()) {
      editing.seen(call);
      if (call.status !== 201 || call.resource.includes('/')) continue;
      const left = expected.get(call.resource);
      if (left === undefined || !isOfFleet(call, fleetNames)) continue;
      expected.set(call.resource, left - 1);
      if ([...expected.values()].every((n) => n <= 0)) appliedAt ??= call.toAt;
    }
    return appliedAt !== undefined;
  };
  const stormMs = 120_000 + size * 300;
  await Promise.all([creating, guarded(`children of ${size} applied`, stormMs, look)]).catch((error) => {
    const missing = [...expected].filter(([, n]) => n > 0).map(([resource, n]) => `${n} ${resource}`);
    throw new Error(`${(error as Error).message}; missing: ${missing.join(', ')}`);
  });
  onStep('settling');
  await guarded('fleet settled', stormMs, async () => {
    await quiet(world, (call) => editing.seen(call));
    return (await unsettled(api, 'Ready')).length === 0;
  });
  const edits = await editing.times();
  const storm = watcher.take();
  const after = { cpu: useOf(pid).cpuSeconds, metrics: await readMetrics(first.metricsUrl) };
  const rssSettledMib = useOf(pid).rssMib;
  const stormCalls = storm.filter((c) => !isFill(c));
  const touched = size + edits.count;
  const lastWriteAt = Math.max(...storm.filter(isWrite).map((c) => c.toAt));
  const reconciles = after.metrics.reconciles - before.metrics.reconciles;

  onStep(`standing still for ${steadySeconds} s`);
  const steadyFrom = useOf(pid).cpuSeconds;
  await delay(steadySeconds * 1000);
  const steady = watcher.take();
  const steadyCpuSeconds = useOf(pid).cpuSeconds - steadyFrom;

  onStep('restart');
  const exitFrom = Date.now();
  await first.daemon.stop('SIGTERM', 30_000);
  const exitMs = Date.now() - exitFrom;
  const rssPeakMib = sampler.peakMib();
  sampler.stop();
  watcher.take();
  servers.forget();
  const second = await start('second', { profile: options.profile });
  const secondUse = sampleUse(second.daemon.pid);
  const all = size + canaries;
  let observedAt = 0;
  await guarded('all observed again', 300_000, async () => {
    await delay(contestant === 'theirs' ? 500 : 200);
    if (contestant !== 'theirs') {
      observedAt = firstPassAt(second) ?? 0;
      return observedAt > 0;
    }
    // Its metrics of a large fleet are few: reading them is next to no work.
    const { reconciles, queued, active } = await readMetrics(second.metricsUrl);
    observedAt = Date.now();
    return reconciles >= all && queued === 0 && active === 0;
  });
  let askedAt = Number.NaN;
  if (contestant !== 'theirs') {
    await guarded('all asked again', 300_000, async () => {
      await delay(100);
      askedAt = Date.now();
      return servers.asked() >= all;
    });
  }
  await quiet(world);
  const restart = watcher.take();
  const restartUse = useOf(second.daemon.pid);
  const restartRssPeakMib = secondUse.peakMib();
  secondUse.stop();
  let churned: ChurnMeasures | undefined;
  if (options.churnMinutes) {
    onStep(`churn for ${options.churnMinutes} min`);
    churned = await churn(api, fleet, servers.port, second, options.churnMinutes, onStep);
  }
  await second.daemon.stop('SIGTERM', 30_000);

  const perServer = (n: number) => n / size;
  const perServerOf = (calls: readonly Call[]) =>
    Object.fromEntries([...tally(calls)].sort().map(([name, n]) => [name, perServer(n)]));
  return {
    contestant,
    size,
    firstRequestMs: firstRequestAt - first.startedAt,
    leaderMs: leaderAt - first.startedAt,
    appliedMs: (appliedAt ?? Number.NaN) - createdAt,
    settledMs: lastWriteAt - createdAt,
    callsPerServer: perServer(stormCalls.length),
    writesPerServer: perServer(stormCalls.filter(isWrite).length),
    reconcilesPerServer: reconciles / touched,
    callsPerReconcile: stormCalls.length / reconciles,
    failures: after.metrics.failures - before.metrics.failures,
    calls: perServerOf(stormCalls),
    edits,
    cpuSeconds: after.cpu - before.cpu,
    rssIdleMib,
    rssPeakMib,
    rssSettledMib,
    steadySeconds,
    steadyWrites: steady.filter(isWrite).length,
    steadyReads: steady.filter((c) => !isWrite(c) && !isFill(c)).length,
    steadyCpuSeconds,
    exitMs,
    restartMs: observedAt - second.startedAt,
    restartAskedMs: askedAt - second.startedAt,
    restartWrites: restart.filter(isWrite).length,
    restartReads: restart.filter((c) => !isWrite(c) && !isFill(c)).length,
    restartCalls: perServerOf(restart),
    restartCpuSeconds: restartUse.cpuSeconds,
    restartRssPeakMib,
    ...(churned === undefined ? {} : { churn: churned }),
  };
}

/** Whether a created child belongs to a server of the fleet: it has the server's name, alone or before a dash. */
const isOfFleet = (call: Call, fleet: ReadonlySet<string>): boolean =>
  fleet.has(call.key) || fleet.has(/^(.*\/server-\d+)-/.exec(call.key)?.[1] ?? '');
