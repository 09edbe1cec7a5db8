import type { Logger } from '../../runtime/log.ts';
import { trace } from '../../runtime/tracing.ts';
import type { Applier } from '../kube/apply.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Reconcile, Result } from '../kube/controller.ts';
import { applyChildren } from './act/apply.ts';
import { askForKey } from './act/askForKey.ts';
import { finishDeletion } from './act/deletion.ts';
import { followServer, releaseStale } from './act/followServer.ts';
import type { Prune } from './act/prune.ts';
import { earliest } from './api/times.ts';
import { type LicenceServer, licenceServerKind, type Status } from './api/types.ts';
import { childrenOf } from './build/children.ts';
import { type Defaults, plan } from './decide/plan.ts';
import { regenerationCallOf, regenerationInputOf } from './decide/regeneration.ts';
import { type Fault, readSpec, validate } from './decide/validate.ts';
import { checkKeys, type ObserveOptions, observe } from './observe/observe.ts';
import type { ServerPoller } from './observe/serverPoller.ts';
import { refusedStatus, statusOf } from './tell/status.ts';
import type { Teller } from './tell/teller.ts';

export interface ReconcileOptions extends ObserveOptions {
  readonly client: KubeClient;
  readonly poller: ServerPoller;
  readonly applier: Applier;
  readonly prune: Prune;
  readonly teller: Teller;
  readonly defaults: Defaults;
}

/** One LicenceServer, once through: observe → validate → plan → build → apply → status. */
export const reconcileLicenceServer =
  (options: ReconcileOptions): Reconcile =>
  async (key, { signal, log }) => {
    const server = options.stores.licenceServers.get(key);
    if (server === undefined) return forget(options, key);
    if (server.metadata.deletionTimestamp !== undefined) return leave(options, key, server);
    try {
      return await pass(options, key, server, signal, log);
    } finally {
      options.rolling.release(key);
      options.lookUp.endPass(key);
    }
  };

async function pass(
  options: ReconcileOptions,
  key: string,
  server: LicenceServer,
  signal: AbortSignal,
  log: Logger,
): Promise<Result | undefined> {
  const read = readSpec(server);
  if (!read.ok) return refuse(options, server, read);

  const { observed: seen, serverCa } = await step('observe', () => observe(options, server, read.spec, signal));
  const validation = step('validate', () => validate(server, read.spec, seen));
  if (!validation.ok) return refuse(options, server, validation);

  const { valid } = validation;
  const before = server.status ?? {};
  const check = await step('checkKeys', () => checkKeys(options, server, valid, seen, signal));
  const asking = regenerationInputOf(valid, before, seen.atMs, options.defaults.regeneration === true);
  const call = regenerationCallOf(asking);
  const regeneration = call && (await step('regenerate', () => askForKey(options, valid, asking.before, call, signal)));
  const observed = { ...seen, check, regeneration, fleet: options.rolling.fleet(key) };
  const decided = step('plan', () => plan(valid, before, observed, options.defaults));
  if (decided.countsInFleet) options.rolling.hold(key);
  if (decided.waitsForFleet) options.rolling.wait(key);
  const children = step('build', () => childrenOf(valid, decided, observed, options.defaults));
  const refusals = decided.paused
    ? []
    : await step('apply', () => applyChildren(options, server, valid, children, signal, log));
  await releaseStale(options, key, decided, log);

  const { status, dueAtMs } = statusOf(server, { valid, observed, plan: decided, before, refusals });
  // Tokens may have been made in this very pass.
  const secrets = { serverCa, adminToken: options.lookUp.adminToken(server) };
  const isFirstAnswerDue = followServer(options, key, valid, observed, decided, secrets);
  // A pod that has just come up is asked first, and then told of: one status instead of two a moment apart.
  if (isFirstAnswerDue && before.rotation?.phase === 'Rolling' && before.keysCopy === undefined) return undefined;
  await step('status', () => options.applier.applyStatus(licenceServerKind, server, status));
  options.teller.tell(server, status, decided);
  const unpruned = !decided.paused && (await options.prune.run(key, valid, decided, signal));

  const againAtMs = refusals.length > 0 ? observed.atMs + 60_000 : undefined;
  const pruneAtMs = unpruned ? observed.atMs + 5_000 : undefined;
  return wakeAt(observed.atMs, earliest(decided.wakeAtMs, dueAtMs, againAtMs, pruneAtMs));
}

/** A step is a span of its own where traces are on. */
const step = <T>(name: string, work: () => T): T => trace(name, {}, work);

const wakeAt = (nowMs: number, atMs: number | undefined): Result | undefined =>
  atMs === undefined ? undefined : { requeueAfterMs: Math.max(1, atMs - nowMs) };

/** Nothing is touched; only status says why. */
async function refuse(options: ReconcileOptions, server: LicenceServer, fault: Fault): Promise<undefined> {
  const status: Status = refusedStatus(server, fault, options.clock.now());
  await options.applier.applyStatus(licenceServerKind, server, status);
  options.teller.tell(server, status, undefined);
}

async function leave(options: ReconcileOptions, key: string, server: LicenceServer): Promise<Result | undefined> {
  options.poller.forget(key);
  const state = await finishDeletion(options.client, options.stores, server);
  return state === 'waiting' ? { requeueAfterMs: 5_000 } : undefined;
}

function forget(options: ReconcileOptions, key: string): undefined {
  options.poller.forget(key);
  options.lookUp.forget(key);
  options.prune.forget(key);
  options.rolling.noteServer(key, undefined);
  options.rolling.noteDeployment(key, undefined);
}
