import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ControlPlane, startControlPlane } from '../../cluster/controlPlane.ts';
import { createKubeApi } from '../../cluster/kubeApi.ts';
import { readKubeconfig, serviceAccountKubeconfig } from '../../cluster/kubeconfig.ts';
import { type Daemon, until } from '../../cluster/process.ts';
import { type AuditTail, type Call, isFill, isLeaderLease, isWrite, tailAudit, tally } from './auditTail.ts';
import { type ChurnMeasures, churn } from './churn.ts';
import { type Contestant, firstPassAt, launch, type Program, type Running, readMetrics } from './contestant.ts';
import { type EditTimes, editWhile } from './edits.ts';
import {
  createServers,
  fleetOf,
  keyOf,
  operatorAccount,
  operatorNamespace,
  operatorUser,
  prepare,
  unsettled,
} from './fixture.ts';
import { answerForServers, type LicenceServers } from './licenceServers.ts';
import { playPods } from './podPlayer.ts';
import { sampleUse, useOf } from './sampleUse.ts';

/** What one run is: one operator, one fleet, a control plane of its own. */
export interface ScenarioOptions {
  readonly contestant: Contestant;
  /** From `build`. */
  readonly program: Program;
  readonly size: number;
  readonly workers: number;
  /** How long nothing is done, to see what the operator does then. */
  readonly steadySeconds: number;
  /** How long the fleet is kept from coming to rest afterwards; 0: not at all. */
  readonly churnMinutes?: number;
  readonly profile?: string | undefined;
  /** Directory for the operator's log; without it the log goes with the control plane. */
  readonly logs?: string | undefined;
  readonly onStep: (step: string) => void;
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

/** Follows what the operator asks, and keeps it until `take`. */
class Watcher {
  readonly #tail: AuditTail;
  #kept: Call[] = [];
  constructor(tail: AuditTail) {
    this.#tail = tail;
  }
  /** What is new. */
  look(): readonly Call[] {
    const calls = this.#tail.read();
    this.#kept.push(...calls);
    return calls;
  }
  /** Everything since the last `take`, the leader's lease left out. */
  take(): Call[] {
    this.look();
    const calls = this.#kept.filter((c) => !isLeaderLease(c));
    this.#kept = [];
    return calls;
  }
}

/** Runs the whole scenario once and ends everything that it started. */
export async function runScenario(options: ScenarioOptions): Promise<Measures> {
  const plane = await startControlPlane({ controllers: false });
  const servers = await answerForServers();
  // Busy machines answer late; a request that is given up counts as none.
  const api = createKubeApi(readKubeconfig(plane.kubeconfig), 60_000);
  const player = playPods(api);
  const started: Daemon[] = [];
  try {
    return await measure(options, plane, api, servers, started);
  } finally {
    await Promise.all(started.map((daemon) => daemon.stop('SIGKILL')));
    await player.stop();
    api.close();
    await servers.close();
    await plane.stop();
  }
}

async function measure(
  options: ScenarioOptions,
  plane: ControlPlane,
  api: ControlPlane['api'],
  servers: LicenceServers,
  started: Daemon[],
): Promise<Measures> {
  const { contestant, program, size, workers, steadySeconds, onStep } = options;
  const early = fleetOf('canary', canaries);
  const fleet = fleetOf('server', size);
  onStep('preparing');
  await prepare(api, program.crdFile, [...early, ...fleet]);
  const kubeconfig = await serviceAccountKubeconfig(plane.dir, operatorNamespace, operatorAccount);
  const tail = tailAudit(plane.auditLog, operatorUser);
  const watcher = new Watcher(tail);
  const start = async (what: string, profile?: string): Promise<Running> => {
    const logFile = join(options.logs ?? join(plane.dir, 'log'), `${contestant}-${size}-${what}.log`);
    const running = await launch(program, { contestant, kubeconfig, workers, logFile, profile });
    started.push(running.daemon);
    return running;
  };
  const guarded = (what: string, ms: number, ready: () => Promise<boolean> | boolean) =>
    until(`${contestant}: ${what}`, ms, ready, [...plane.daemons, ...started.slice(-1)]);

  onStep('cold start');
  const first = await start('first', options.profile);
  const firstCalls: Call[] = [];
  const leaderAt = await leading(first, watcher, guarded, firstCalls);
  const firstRequestAt = Math.min(...firstCalls.map((c) => c.fromAt));
  const { pid } = first.daemon;
  await createServers(api, early, servers.port);
  await quiet(watcher, guarded);
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
    await quiet(watcher, guarded, (call) => editing.seen(call));
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
  const second = await start('second', options.profile);
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
  await quiet(watcher, guarded);
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
  tail.close();

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

type Guarded = (what: string, ms: number, ready: () => Promise<boolean> | boolean) => Promise<void>;

/** Waits until the operator holds the lease, and answers when it got it. */
async function leading(running: Running, watcher: Watcher, guarded: Guarded, calls: Call[]): Promise<number> {
  let at: number | undefined;
  await guarded('leader', 60_000, () => {
    for (const call of watcher.look()) {
      calls.push(call);
      if (isLeaderLease(call) && isWrite(call) && call.status < 300) at ??= call.toAt;
    }
    return at !== undefined;
  });
  await guarded('metrics', 30_000, async () => (await readMetrics(running.metricsUrl)).reconciles >= 0);
  return at ?? Number.NaN;
}

/** Waits until the operator has written nothing for two seconds. */
async function quiet(watcher: Watcher, guarded: Guarded, seen: (call: Call) => void = () => {}): Promise<void> {
  let since = Date.now();
  await guarded('quiet', 300_000, () => {
    for (const call of watcher.look()) {
      seen(call);
      if (isWrite(call) && !isLeaderLease(call)) since = Date.now();
    }
    return Date.now() - since > 2_000;
  });
}

/** Whether a created child belongs to a server of the fleet: it has the server's name, alone or before a dash. */
const isOfFleet = (call: Call, fleet: ReadonlySet<string>): boolean =>
  fleet.has(call.key) || fleet.has(/^(.*\/server-\d+)-/.exec(call.key)?.[1] ?? '');
