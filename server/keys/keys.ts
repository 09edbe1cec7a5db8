import { readActivation, type VerifiedActivation, verifyActivation } from '../../licence/activation.ts';
import type { ActivationRequest, ActivationResponse } from '../../licence/authorityWire.ts';
import { parseKey } from '../../licence/key.ts';
import type { KeyFault } from '../../licence/keyFaults.ts';
import { momentOf } from '../../licence/moment.ts';
import type { KeyCheckRequest, KeyCheckResponse, KeyStatus } from '../../licence/serverStatus.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { entitlementsAt, type SetEntitlements } from '../seats/entitlement.ts';
import { activationRequest } from './activationRequest.ts';
import type { AuthorityClient } from './authorityClient.ts';
import { backOffMs } from './backOff.ts';
import { checkOffline, wrongProduct } from './checkOffline.ts';
import { createClockGuard } from './clockGuard.ts';
import { readConfiguredKeys } from './configuredKeys.ts';
import { type Attempt, decideKeys, type KeyAction, type KeyDecision, type Situation } from './decide.ts';
import type { Identity } from './identity.ts';
import { createKeyMetrics } from './keyMetrics.ts';
import { type KeySource, openKeyRecords } from './keyRecords.ts';
import { openLicenceFolder } from './licenceFolder.ts';
import { learnSigner } from './newSigner.ts';
import { openTrust, type Trust } from './trust.ts';

/**
 * The keys of a licence server. A pass gathers what is configured, what lies in `Licence/` and what was tried, decides
 * (decide.ts), shows the outcome to the ledger and acts; it runs at the start, every few seconds, and after each change.
 * The authority is asked only for changes: what is activated serves without it.
 */
export interface Keys {
  /** Reads and verifies what is there and hands it to the ledger; the authority is asked later, in the background. */
  start(): Promise<void>;
  stop(): Promise<void>;
  status(): KeysStatus;
  /** Activates a key at the authority and installs it. */
  install(text: string, source: KeySource, product?: string): Promise<KeyOutcome>;
  /** Asks the authority about a key, or verifies the activation given for it, without switching anything. */
  check(asked: KeyCheckRequest): Promise<KeyCheckResponse>;
  /** Removes an installed key; one that the configuration names would come back and is refused. */
  remove(keyId: string): Promise<'removed' | 'unknown' | 'configured'>;
  /** The request of an air-gapped activation: for a configured key by name, or for the text of any key. */
  request(of: { readonly name: string } | { readonly key: string }): Promise<RequestOutcome>;
  /** Installs the authority's answer to such a request. */
  respond(
    answer: { readonly activation: string } & Partial<ActivationResponse>,
    source: KeySource,
  ): Promise<KeyOutcome>;
  /** The activation in force of a key, as compact JWS: what a signed lease chains to. */
  activationOf(keyId: string): string | undefined;
  /** Runs a pass now and waits for it. */
  refresh(): Promise<void>;
}

export interface KeysStatus {
  readonly fingerprint: string;
  readonly keys: readonly KeyStatus[];
  /** What is wrong beside single keys, in one sentence; absent while all is well. */
  readonly trouble?: string;
}
export type KeyOutcome =
  | { readonly ok: true; readonly key: KeyStatus }
  | { readonly ok: false; readonly fault: KeyFault };
export type RequestOutcome =
  | { readonly ok: true; readonly request: ActivationRequest }
  | { readonly ok: false; readonly fault: KeyFault };

export interface KeysDeps {
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly identity: Identity;
  readonly dataDir: string;
  readonly setEntitlements: SetEntitlements;
  /** `LICENCE_KEYS_DIR` */
  readonly keysDir?: string;
  /** `LICENCE_TRUSTED_KEYS` */
  readonly trustFile?: string;
  readonly authority?: AuthorityClient;
  /** `LICENCE_REACTIVATE`: keys from configuration are activated again, once per id. */
  readonly reactivate?: string;
  /** Runs work that no other replica on the same folder may run at the same time. */
  readonly exclusively?: <T>(work: () => Promise<T>) => Promise<T>;
  /** How often the folder, the configuration and the trusted keys are read again. */
  readonly pollMs?: number;
}

export async function createKeys(deps: KeysDeps): Promise<Keys> {
  const { log, clock, identity, authority, pollMs = 5_000 } = deps;
  const exclusively = deps.exclusively ?? (<T>(work: () => Promise<T>) => work());
  const folder = await openLicenceFolder(deps.dataDir);
  const records = await openKeyRecords(deps.dataDir, (message) => log.warn(message));
  const trustStore = openTrust(deps.trustFile, deps.dataDir);
  const guard = createClockGuard(clock, records);
  const keyMetrics = createKeyMetrics(deps.metrics);

  const attempts = new Map<string, Attempt & { readonly failures: number }>();
  let trust: Trust = { keys: new Map() };
  let inputs = '';
  let troubles: readonly string[] = [];
  let sound: ReadonlyMap<string, string> = new Map();
  let shown: KeyDecision = { actions: [], keys: [], licences: [] };
  let handedOver: string | undefined;
  let cancelTimer = () => {};
  let stopped = false;

  // Passes and requests one after the other: each sees the folder as the one before left it.
  let last: Promise<unknown> = Promise.resolve();
  const serially = <T>(work: () => Promise<T>): Promise<T> => {
    const run = last.then(work, work);
    last = run.catch(() => {});
    return run;
  };

  const verify = (text: string) =>
    verifyActivation(text, {
      trusted: trust.keys,
      fingerprint: identity.fingerprint,
      publicKey: identity.publicKey,
      nowMs: guard.latestMs,
    });

  async function gather(): Promise<Situation> {
    await records.reload();
    const { trouble: clockTrouble, wentBack } = guard.look();
    if (wentBack) attempts.clear(); // their times are in a future that may be far away
    trust = await trustStore.read();
    const configured = deps.keysDir === undefined ? [] : await readConfiguredKeys(deps.keysDir);
    // A new key, a corrected file or a new trusted key makes an old failure worth another try at once.
    const now = JSON.stringify([configured, [...trust.keys.keys()]]);
    if (now !== inputs) attempts.clear();
    inputs = now;
    troubles = [clockTrouble, trust.trouble].filter((t) => t !== undefined);
    const files = (await folder.read()).map(({ name, text = '' }) => ({ name, text, verified: verify(text) }));
    sound = new Map(files.filter((f) => f.verified.ok).map((f) => [f.name, f.text]));
    return {
      clockMs: guard.clockMs,
      latestMs: guard.latestMs,
      configured: configured.map(({ name, parsed, activation }) => ({
        name,
        parsed,
        ...(activation === undefined ? {} : { offline: { text: activation, verified: verify(activation) } }),
      })),
      files,
      records: records.keys,
      attempts,
      canAsk: authority !== undefined,
      toReactivate: records.toReactivate,
    };
  }

  async function show(decision: KeyDecision): Promise<void> {
    shown = decision;
    const successes = Object.values(records.keys).flatMap((r) => (r.activatedAt ? [Date.parse(r.activatedAt)] : []));
    keyMetrics.show(decision.keys, Math.max(0, ...successes));
    const products = entitlementsAt(decision.licences, guard.latestMs);
    const text = JSON.stringify(products);
    if (text === handedOver) return;
    await deps.setEntitlements(products);
    handedOver = text;
    log.info(
      { products: products.map((p) => ({ product: p.product, seatLimit: p.seatLimit })) },
      'entitlements changed',
    );
  }

  const look = async (): Promise<KeyDecision> => {
    const decision = decideKeys(await gather());
    await show(decision);
    return decision;
  };

  async function pass(): Promise<void> {
    const decision = await look();
    if (decision.actions.length > 0) {
      await exclusively(async () => {
        // Another replica may have done it while this one waited. And what succeeds makes the next step due: the
        // successor is active, so the superseded file goes. Each round acts on something new, or ends it.
        const done = new Set<string>();
        for (let due = (await look()).actions; due.length > 0; due = (await look()).actions) {
          const fresh = due.filter((action) => !done.has(JSON.stringify(action)));
          if (fresh.length === 0) return;
          for (const action of fresh) {
            done.add(JSON.stringify(action));
            await act(action);
          }
        }
      });
    }
    if (guard.unnoted) await exclusively(() => guard.note());
  }

  async function act(action: KeyAction): Promise<void> {
    switch (action.do) {
      case 'activate': {
        const outcome = await activate(action.key, action.keyId, 'configuration');
        if (outcome.ok) return;
        const failures = (attempts.get(action.keyId)?.failures ?? 0) + 1;
        const waitMs = Math.max(backOffMs(outcome.fault, failures, Math.random()), outcome.retryAfterMs ?? 0);
        attempts.set(action.keyId, { fault: outcome.fault, failures, nextAtMs: clock.now() + waitMs });
        log.warn({ keyId: action.keyId, ...outcome.fault, failures, waitMs }, 'key was not activated');
        return;
      }
      case 'install':
        await put(action.keyId, action.activation, 'configuration', {});
        return;
      case 'adopt': {
        const { sequence = 0 } = records.keys[action.keyId] ?? {};
        await records.put(action.keyId, { source: 'configuration', sequence });
        return;
      }
      case 'remove':
        await folder.remove(action.name);
        log.info({ keyId: action.name }, 'superseded activation removed');
    }
  }

  /** Asks the authority, verifies its answer and installs it. */
  async function activate(
    key: string,
    keyId: string,
    source: KeySource,
  ): Promise<{ ok: true } | { ok: false; fault: KeyFault; retryAfterMs?: number }> {
    if (authority === undefined) return { ok: false, fault: noAuthority };
    const asked = await authority.activate(requestFor(key, keyId));
    keyMetrics.asked('activate', asked.ok ? undefined : asked.fault.reason);
    if (!asked.ok) return asked;
    const { activation, cloneSuspected } = asked.answer;
    const verified = await verifyAnswer(activation, authority);
    if (!verified.ok && verified.reason === 'ActivationFromFuture') return { ok: false, fault: faultOf(verified) };
    const why = unbelieved(verified, keyId, records.keys[keyId]?.sequence ?? 0);
    if (why !== undefined) {
      return {
        ok: false,
        fault: {
          reason: 'AuthorityUntrusted',
          message: `the authority's answer is not believed: ${why}; check the authority's URL and the trusted keys`,
        },
      };
    }
    if (cloneSuspected) {
      keyMetrics.cloneSuspected();
      log.warn({ keyId }, 'the authority suspects a copy of this server: another one continues the same activations');
    }
    await put(keyId, activation, source, asked.answer);
    return { ok: true };
  }

  /** As `verify`, after a look at whether the authority has changed its keys. */
  async function verifyAnswer(activation: string, from: AuthorityClient): Promise<VerifiedActivation> {
    const verified = verify(activation);
    if (verified.ok || verified.reason !== 'ActivationUntrusted') return verified;
    const kid = await learnSigner(activation, trustStore, from);
    if (kid === undefined) return verified;
    trust = await trustStore.read();
    log.info({ kid }, 'the authority has a new signing key, for which a trusted one vouches');
    return verify(activation);
  }

  /** Writes a verified activation and its record. */
  async function put(keyId: string, activation: string, source: KeySource, answer: Partial<ActivationResponse>) {
    const payload = readActivation(activation);
    await folder.write(keyId, activation);
    const before = records.keys[keyId];
    // Who installed a key first stays its source: configuration that names it later does not make it its own.
    const kept = source === 'configuration' && before !== undefined ? before.source : source;
    const { regenerationsLeft = before?.regenerationsLeft, regenerationsResetAt = before?.regenerationsResetAt } =
      answer;
    await records.put(keyId, {
      source: kept,
      activatedAt: momentOf(clock.now()),
      sequence: payload?.sequence ?? before?.sequence ?? 0,
      ...(regenerationsLeft === undefined ? {} : { regenerationsLeft }),
      ...(regenerationsResetAt === undefined ? {} : { regenerationsResetAt }),
    });
    attempts.delete(keyId);
    // An older answer, kept and handed in again, confirms nothing.
    if (payload && payload.sequence > (before?.sequence ?? 0)) await guard.confirm(Date.parse(payload.issuedAt));
    log.info({ keyId, generation: payload?.generation, sequence: payload?.sequence, source: kept }, 'key activated');
  }

  const requestFor = (key: string, keyId: string): ActivationRequest =>
    activationRequest(identity, { key, sequence: records.keys[keyId]?.sequence ?? 0 }, clock.now());

  /** The key as it stands now, by the status that `look` just made. */
  const outcomeOf = (keyId: string): KeyOutcome => {
    const key = shown.keys.find((k) => k.keyId === keyId);
    if (key === undefined) throw new Error(`key ${keyId} was installed and is not there`);
    return { ok: true, key };
  };

  async function check({ key: text, activation, product }: KeyCheckRequest): Promise<KeyCheckResponse> {
    const parsed = parseKey(text);
    if (!parsed.ok) return { usable: false, fault: faultOf(parsed) };
    const { key, keyId } = parsed;
    if (activation !== undefined) {
      await look(); // the trusted keys and the clock as they are now
      return checkOffline(verify(activation.trim()), { keyId, product, nowMs: guard.latestMs });
    }
    if (authority === undefined) return { usable: false, keyId, fault: noAuthority };
    const asked = await authority.check(requestFor(key, keyId));
    keyMetrics.asked('check', asked.ok ? undefined : asked.fault.reason);
    if (!asked.ok) return { usable: false, keyId, fault: asked.fault };
    const { generation, entitlements, regenerationsLeft, regenerationsResetAt } = asked.answer;
    const fault = wrongProduct(product, entitlements.product);
    return {
      usable: fault === undefined,
      keyId,
      ...(fault === undefined ? {} : { fault }),
      generation,
      product: entitlements.product,
      seatLimit: entitlements.seatLimit,
      regenerationsLeft,
      regenerationsResetAt,
    };
  }

  async function install(text: string, source: KeySource, product?: string): Promise<KeyOutcome> {
    const parsed = parseKey(text);
    if (!parsed.ok) return { ok: false, fault: faultOf(parsed) };
    // An activation binds the key: a key for the wrong product must not get that far.
    if (product !== undefined) {
      const { fault } = await check({ key: text, product });
      if (fault !== undefined) return { ok: false, fault };
    }
    await look();
    const done = await exclusively(() => activate(parsed.key, parsed.keyId, source));
    if (!done.ok) return done;
    await look();
    return outcomeOf(parsed.keyId);
  }

  async function respond(
    answer: { readonly activation: string } & Partial<ActivationResponse>,
    source: KeySource,
  ): Promise<KeyOutcome> {
    await look();
    const activation = answer.activation.trim();
    const verified = verify(activation);
    if (!verified.ok) return { ok: false, fault: faultOf(verified) };
    const { keyId, sequence } = verified.activation;
    const present = (await folder.read()).find((f) => f.name === keyId)?.text;
    const current = present === undefined ? undefined : verify(present);
    if (current?.ok && current.activation.sequence > sequence) {
      return {
        ok: false,
        fault: {
          reason: 'ActivationDamaged',
          message: 'a newer activation of this key is installed; make a new request',
        },
      };
    }
    const configured = shown.keys.some((k) => k.keyId === keyId && k.name !== undefined);
    await exclusively(() => put(keyId, activation, configured ? 'configuration' : source, answer));
    await look();
    return outcomeOf(keyId);
  }

  async function remove(keyId: string): Promise<'removed' | 'unknown' | 'configured'> {
    const { keys } = await look();
    const key = keys.find((k) => k.keyId === keyId);
    if (key === undefined) return 'unknown';
    if (key.name !== undefined) return 'configured';
    await exclusively(async () => {
      await folder.remove(keyId);
      await records.forget(keyId);
    });
    await look();
    return 'removed';
  }

  async function request(of: { readonly name: string } | { readonly key: string }): Promise<RequestOutcome> {
    await records.reload();
    const configured = deps.keysDir === undefined ? [] : await readConfiguredKeys(deps.keysDir);
    const parsed = 'key' in of ? parseKey(of.key) : configured.find((k) => k.name === of.name)?.parsed;
    if (parsed === undefined) {
      return {
        ok: false,
        fault: { reason: 'KeyUnknown', message: 'no key of that name is configured; see GET /v1/keys' },
      };
    }
    if (!parsed.ok) return { ok: false, fault: faultOf(parsed) };
    return { ok: true, request: requestFor(parsed.key, parsed.keyId) };
  }

  /** Notes, once per id, which keys are to be activated again; their files serve until that has happened. */
  async function noteReactivation(): Promise<void> {
    const id = deps.reactivate;
    if (id === undefined || id === records.reactivationId) return;
    const ids = Object.entries(records.keys)
      .filter(([, record]) => record.source === 'configuration')
      .map(([keyId]) => keyId);
    await records.setReactivation(id, ids);
    log.info({ id, keyIds: ids }, 'keys are activated again');
  }

  const schedule = () => {
    if (stopped) return;
    const dueMs = shown.wakeAtMs === undefined ? pollMs : Math.max(0, shown.wakeAtMs - clock.now());
    cancelTimer = clock.after(Math.min(pollMs, dueMs), () => {
      void serially(pass)
        .catch((error: unknown) => {
          troubles = [error instanceof Error ? error.message : String(error)];
          log.error({ err: error }, 'keys could not be read');
        })
        .finally(schedule);
    });
  };

  return {
    start: () =>
      serially(async () => {
        await look(); // adopts no record yet, but knows which keys there are
        await noteReactivation();
        cancelTimer = clock.after(0, () => {
          void serially(pass)
            .catch((error: unknown) => log.error({ err: error }, 'keys could not be read'))
            .finally(schedule);
        });
      }),
    stop: async () => {
      stopped = true;
      cancelTimer();
      await authority?.close(); // what is being asked ends now instead of at its time limit
      await serially(() => guard.note());
    },
    status: () => ({
      fingerprint: identity.fingerprint,
      keys: shown.keys,
      ...(troubles.length === 0 ? {} : { trouble: troubles.join('; ') }),
    }),
    activationOf: (keyId) => sound.get(keyId),
    check: (asked) => serially(() => check(asked)),
    install: (text, source, product) => serially(() => install(text, source, product)),
    remove: (keyId) => serially(() => remove(keyId)),
    request: (of) => serially(() => request(of)),
    respond: (answer, source) => serially(() => respond(answer, source)),
    refresh: () => serially(pass),
  };
}

const noAuthority: KeyFault = {
  reason: 'AuthorityUnreachable',
  message: 'no authority is configured: set LICENCE_AUTHORITY_URL, or activate by request and response',
};

/** Why an answer of the authority is not what was asked for; undefined: it is. */
function unbelieved(verified: VerifiedActivation, keyId: string, lastSequence: number): string | undefined {
  if (!verified.ok) return verified.message;
  if (verified.activation.keyId !== keyId) return 'it is for another key';
  return verified.activation.sequence > lastSequence ? undefined : 'it is an older answer, given once more';
}

const faultOf = ({ reason, message }: KeyFault): KeyFault => ({ reason, message });
