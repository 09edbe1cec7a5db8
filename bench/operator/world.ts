import { join } from 'node:path';
import { startControlPlane } from '../../cluster/controlPlane.ts';
import { createKubeApi, type KubeApi } from '../../cluster/kubeApi.ts';
import { readKubeconfig, serviceAccountKubeconfig } from '../../cluster/kubeconfig.ts';
import { type Daemon, until } from '../../cluster/process.ts';
import { type AuditTail, type Call, isLeaderLease, isWrite, tailAudit } from './auditTail.ts';
import { type Contestant, type Launch, launch, type Program, type Running, readMetrics } from './contestant.ts';
import { operatorAccount, operatorNamespace, operatorUser, prepare, type Server } from './fixture.ts';
import { answerForServers, type LicenceServers } from './licenceServers.ts';
import { type PodPlayer, playPods } from './podPlayer.ts';

/** Who runs in a world, and what it is told. */
export interface WorldOptions {
  readonly contestant: Contestant;
  /** From `build`. */
  readonly program: Program;
  readonly size: number;
  readonly workers: number;
  /** Directory for the operator's log; without it the log goes with the control plane. */
  readonly logs?: string | undefined;
  readonly onStep: (step: string) => void;
}

/** A control plane of its own, with what the fleet refers to; pods and licence servers are played. */
export interface World {
  readonly api: KubeApi;
  readonly servers: LicenceServers;
  readonly pods: PodPlayer;
  readonly watcher: Watcher;
  /** Starts the operator; `what` names its log. */
  start(
    what: string,
    how?: { readonly profile?: string | undefined; readonly image?: string; readonly env?: Launch['env'] },
  ): Promise<Running>;
  /** Waits, and fails when the control plane or the operator started last ends. */
  readonly guarded: Guarded;
}

export type Guarded = (what: string, ms: number, ready: () => Promise<boolean> | boolean) => Promise<void>;

/** Makes a world, does `work` in it, and ends everything that was started. */
export async function inWorld<T>(
  options: WorldOptions,
  fleet: readonly Server[],
  work: (world: World) => Promise<T>,
): Promise<T> {
  const { contestant, program, size, workers, onStep } = options;
  const plane = await startControlPlane({ controllers: false });
  const servers = await answerForServers();
  // Busy machines answer late; a request that is given up counts as none.
  const api = createKubeApi(readKubeconfig(plane.kubeconfig), 60_000);
  const pods = playPods(api);
  const started: Daemon[] = [];
  let tail: AuditTail | undefined;
  try {
    onStep('preparing');
    await prepare(api, program.crdFile, fleet);
    const kubeconfig = await serviceAccountKubeconfig(plane.dir, operatorNamespace, operatorAccount);
    tail = tailAudit(plane.auditLog, operatorUser);
    return await work({
      api,
      servers,
      pods,
      watcher: new Watcher(tail),
      start: async (what, how = {}) => {
        const logFile = join(options.logs ?? join(plane.dir, 'log'), `${contestant}-${size}-${what}.log`);
        const running = await launch(program, { contestant, kubeconfig, workers, logFile, ...how });
        started.push(running.daemon);
        return running;
      },
      guarded: (what, ms, ready) =>
        until(`${contestant}: ${what}`, ms, ready, [...plane.daemons, ...started.slice(-1)]),
    });
  } finally {
    tail?.close();
    await Promise.all(started.map((daemon) => daemon.stop('SIGKILL')));
    await pods.stop();
    api.close();
    await servers.close();
    await plane.stop();
  }
}

/** Follows what the operator asks, and keeps it until `take`. */
export class Watcher {
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

/** Waits until the operator holds the lease, and answers when it got it. */
export async function leading(running: Running, { watcher, guarded }: World, calls: Call[] = []): Promise<number> {
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
export async function quiet({ watcher, guarded }: World, seen: (call: Call) => void = () => {}): Promise<void> {
  let since = Date.now();
  await guarded('quiet', 300_000, () => {
    for (const call of watcher.look()) {
      seen(call);
      if (isWrite(call) && !isLeaderLease(call)) since = Date.now();
    }
    return Date.now() - since > 2_000;
  });
}
