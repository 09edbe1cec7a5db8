import type { Logger } from '../../runtime/log.ts';
import { trace } from '../../runtime/tracing.ts';
import { isNotFound } from '../kube/apiError.ts';
import type { Applied, Applier } from '../kube/apply.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Reconcile, ReconcileContext, Result } from '../kube/controller.ts';
import { kinds } from '../kube/resourceKind.ts';
import { wakeAfter } from '../kube/wakeAfter.ts';
import { applyChildren } from './act/apply.ts';
import { askForKey } from './act/askForKey.ts';
import { checkKeys } from './act/checkKeys.ts';
import { finishDeletion, keepFinalizer } from './act/deletion.ts';
import { followServer } from './act/followServer.ts';
import type { Prune } from './act/prune.ts';
import { runRestore } from './act/runRestore.ts';
import type { StaleRelease } from './act/staleRelease.ts';
import { takeBack } from './act/takeBack.ts';
import { licenceServerKind } from './api/coordinates.ts';
import type { Defaults } from './api/defaults.ts';
import type { Fault } from './api/fault.ts';
import { lastRoll } from './api/metadata.ts';
import { namesOf } from './api/names.ts';
import { readSpec } from './api/readSpec.ts';
import { asLongAgainMs, earliest, msOf } from './api/times.ts';
import type { LicenceServer, Status } from './api/types.ts';
import { childrenOf } from './build/children.ts';
import { plan } from './decide/plan.ts';
import { regenerationCallOf, regenerationInputOf } from './decide/regeneration.ts';
import { validate } from './decide/validate.ts';
import { type ObserveOptions, observe } from './observe/observe.ts';
import type { ServerPoller } from './observe/serverPoller.ts';
import type { Watch } from './observe/watch.ts';
import { parseLastRoll } from './pod/lastRoll.ts';
import { type FailedPass, failedPassOf, failedStatus } from './tell/failedPass.ts';
import type { OperatorMetrics } from './tell/operatorMetrics.ts';
import { refusedStatus, statusOf, terminatingStatus } from './tell/status.ts';
import type { Teller } from './tell/teller.ts';
import type { Turns } from './turns.ts';

export interface ReconcileOptions extends ObserveOptions {
  readonly client: KubeClient;
  readonly watch: ObserveOptions['watch'] & Pick<Watch, 'syncedIn'>;
  readonly poller: ServerPoller;
  readonly applier: Applier;
  readonly prune: Prune;
  readonly staleRelease: StaleRelease;
  readonly teller: Teller;
  readonly metrics: Pick<OperatorMetrics, 'pastWakes'>;
  readonly turns: Turns;
  readonly defaults: Defaults;
}

/**
 * One LicenceServer, once through: observe → validate → plan → build → apply → status. Not before everything of its
 * namespace was listed: what is not known yet would be taken for absent. A pass that throws leaves its words in the status.
 */
export const reconcileLicenceServer =
  (options: ReconcileOptions): Reconcile =>
  async (key, context) => {
    const server = options.stores.licenceServers.get(key);
    if (server === undefined) return forget(options, key);
    if (!options.watch.syncedIn(server.metadata.namespace)) return tellUnlisted(options, server);
    try {
      if (server.metadata.deletionTimestamp !== undefined) return await leave(options, key, server);
      return await pass(options, key, server, context.signal, context.log);
    } catch (error) {
      await tellFailure(options, key, error, context);
      throw error;
    } finally {
      options.turns.end(key);
      options.lookUp.endPass(key);
    }
  };

async function pass(
  options: ReconcileOptions,
  key: string,
  seen: LicenceServer,
  signal: AbortSignal,
  log: Logger,
): Promise<Result | undefined> {
  const server = await step('keep', () => keep(options, seen));
  const read = readSpec(server);
  if (!read.ok) return refuse(options, server, read);

  const { observed: found, serverCa } = await step('observe', () => observe(options, server, read.spec, signal));
  // The namespace is not looked at any more, and what was read of it was leaving the stores meanwhile: nothing of it is a fact.
  if (!options.watch.syncedIn(server.metadata.namespace)) return undefined;
  const validation = step('validate', () => validate(server, read.spec, found));
  if (!validation.ok) return refuse(options, server, validation);

  const { valid } = validation;
  const before = server.status ?? {};
  const check = await step('checkKeys', () => checkKeys(options, server, valid, found, signal));
  const asking = regenerationInputOf(valid, before, found.atMs, options.defaults.regeneration === true);
  const call = regenerationCallOf(asking);
  const regeneration =
    call && (await step('regenerate', () => askForKey(options, valid, asking.before, call, signal, log)));
  const observed = { ...found, check, regeneration, fleet: options.turns.fleet(key) };
  const decided = step('plan', () => plan(valid, before, observed, options.defaults));
  options.turns.note(key, decided);
  const children = step('build', () => childrenOf(valid, decided, observed, options.defaults));
  const refusals = decided.paused
    ? []
    : await step('apply', () => applyChildren(options, server, valid, observed, children, signal, log));
  const restoreAtMs = decided.paused ? undefined : await runRestore(options, valid, observed, options.defaults);
  await options.staleRelease.run(key, decided, observed.atMs, log);

  const now = options.stores.get(kinds.Deployment, valid.owner.namespace, namesOf(valid.owner.name).deployment);
  const rolled = parseLastRoll(now?.metadata.annotations?.[lastRoll]);
  const { status, dueAtMs } = statusOf(server, { valid, observed, plan: decided, before, refusals, rolled });
  // Tokens may have been made in this very pass.
  const secrets = { serverCa, adminToken: options.lookUp.adminToken(server) };
  // A pod that has just come up is asked first, and then told of: one status instead of two a moment apart.
  if (followServer(options, key, valid, observed, decided, before, secrets) === 'firstAnswerDue') return undefined;
  const { outcome } = await step('status', () => writeStatus(options, server, status));
  options.teller.tell(server, status, decided);
  const pruneInput = { valid, children, status, nowMs: observed.atMs };
  const pruneAtMs = decided.paused ? undefined : await options.prune.run(key, pruneInput, signal);

  const againAtMs = refusals.length > 0 ? asLongAgainMs(observed.atMs, refusedSinceMs(status), refused) : undefined;
  const wakeAtMs = earliest(decided.wakeAtMs, dueAtMs, againAtMs, pruneAtMs, restoreAtMs, observed.lookAtMs);
  const wake = wakeAfter(observed.atMs, wakeAtMs, outcome !== 'unchanged');
  if (wake?.isMistake) {
    options.metrics.pastWakes.inc();
    log.warn({ wakeAtMs }, 'the pass changed nothing and asked for another one at once; it has to wait');
  }
  return wake && { requeueAfterMs: wake.afterMs };
}

/** What the API server refuses by the spec's fault is written again ever more rarely, up to the pace of a resync. */
const refused = { firstMs: 60_000, maxMs: 10 * 60_000 } as const;
const refusedSinceMs = ({ conditions }: Status): number | undefined =>
  msOf(conditions?.find(({ type, status }) => type === 'Stalled' && status === 'True')?.lastTransitionTime);

/** What is to outlive the LicenceServer, or to go with it, is seen to before anything can go wrong, and in every state. */
async function keep(options: ReconcileOptions, seen: LicenceServer): Promise<LicenceServer> {
  const server = await keepFinalizer(options, seen);
  await takeBack(options, server);
  return server;
}

/** A step is a span of its own where traces are on. */
const step = <T>(name: string, work: () => T): T => trace(name, {}, work);

const writeStatus = (options: ReconcileOptions, server: LicenceServer, status: Status): Promise<Applied> =>
  options.applier.applyStatus(licenceServerKind, server, status);

/** Nothing is touched; only status says why. */
async function refuse(options: ReconcileOptions, server: LicenceServer, fault: Fault): Promise<undefined> {
  const status: Status = refusedStatus(server, fault, options.clock.now());
  await writeStatus(options, server, status);
  options.teller.tell(server, status, undefined);
}

/** The watch brings a pass as soon as everything is listed; if that cannot be, a person has to know. */
async function tellUnlisted(options: ReconcileOptions, server: LicenceServer): Promise<undefined> {
  const unheard = options.watch.unheardIn(server.metadata.namespace).find((kind) => !kind.optional);
  if (unheard === undefined) return;
  const message = `nothing is done here until ${unheard.kind} can be listed: ${unheard.message}`;
  const fault: FailedPass = { reason: 'NamespaceUnlisted', message, isRefused: true };
  await writeStatus(options, server, failedStatus(server, fault, options.clock.now()));
  options.teller.failed(server, fault);
}

/** Whoever refused says it in the resource; that it cannot even be said there is nothing worse than what is thrown. */
async function tellFailure(
  options: ReconcileOptions,
  key: string,
  error: unknown,
  { failures, retryAfterMs, signal, log }: ReconcileContext,
): Promise<void> {
  const fault = failedPassOf(error, failures + 1);
  const server = options.stores.licenceServers.get(key);
  if (fault === undefined || server === undefined || signal.aborted) return;
  const retry = { failures: failures + 1, afterMs: retryAfterMs };
  try {
    await writeStatus(options, server, failedStatus(server, fault, options.clock.now(), retry));
    options.teller.failed(server, fault);
  } catch (unsaid) {
    if (!isNotFound(unsaid)) log.warn({ err: unsaid }, 'the status cannot say why the pass failed');
  }
}

async function leave(options: ReconcileOptions, key: string, server: LicenceServer): Promise<Result | undefined> {
  options.poller.forget(key);
  options.turns.forget(key);
  const waitsFor = await finishDeletion(options, server);
  if (waitsFor === undefined) return undefined;
  const now = options.stores.licenceServers.get(key) ?? server;
  await writeStatus(options, now, terminatingStatus(now, waitsFor, options.clock.now()));
  return { requeueAfterMs: 5_000 };
}

function forget(options: ReconcileOptions, key: string): undefined {
  options.poller.forget(key);
  options.lookUp.forget(key);
  options.prune.forget(key);
  options.staleRelease.forget(key);
  options.turns.forget(key);
}
