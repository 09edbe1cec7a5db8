import type { ActivationRequest, ActivationResponse } from '../../licence/authorityWire.ts';
import { parseKey } from '../../licence/key.ts';
import type { KeyFault } from '../../licence/keyFaults.ts';
import type { KeyCheckRequest, KeyCheckResponse, KeyStatus } from '../../licence/serverStatus.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { entitlementsAt, type SetEntitlements } from '../seats/entitlement.ts';
import { createAsking } from './asking.ts';
import { createAttempts } from './attempts.ts';
import type { AuthorityClient } from './authorityClient.ts';
import { checkOffline, outdated, wrongProduct } from './checkOffline.ts';
import { createClockGuard } from './clockGuard.ts';
import { readConfiguredKeys } from './configuredKeys.ts';
import { decideKeys, type KeyAction, type KeyDecision, subjectOf } from './decide.ts';
import { createHandover } from './handover.ts';
import { createHoldings } from './holdings.ts';
import type { Identity } from './identity.ts';
import { createKeyMetrics } from './keyMetrics.ts';
import { type KeySource, openKeyRecords } from './keyRecords.ts';
import type { LedgerOwner } from './ledgerOwner.ts';
import { openLicenceFolder } from './licenceFolder.ts';
import { type Done, faultOf, ifUnwritten, noAuthority } from './outcomes.ts';
import { openTrust } from './trust.ts';
import { createTurns } from './turns.ts';

/**
 * The keys of a licence server. A pass gathers what is configured, what lies in `Licence/` and what was tried, decides
 * (decide.ts), shows the outcome to the ledger and acts; it runs at the start, every few seconds, and after each change.
 * The authority is asked only for changes: what is activated serves without it. Nobody waits for it but who asked: calls are
 * made beside the passes, each key on its own, and what comes of them is installed by a turn of its own.
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
  /** Reads what is there now, as each pass does, and shows it to the ledger; asks nobody. */
  look(): Promise<void>;
  /** Runs a pass now, and waits for it and for all that the authority is asked about, until nothing more is due. */
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
  /** Whether the ledger is this server's to change; default: it is. */
  readonly owner?: LedgerOwner;
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
  const guard = createClockGuard(clock, records);
  const metrics = createKeyMetrics(deps.metrics);
  const handover = createHandover(deps.setEntitlements, deps.owner, log);
  const stopping = new AbortController();
  const attempts = createAttempts(clock, log, stopping.signal);
  const holdings = createHoldings({
    ...{ log, clock, identity, folder, records, guard, attempts },
    trustStore: openTrust(deps.trustFile, deps.dataDir),
    keysDir: deps.keysDir,
    canAsk: authority !== undefined,
  });
  let shown: KeyDecision = { actions: [], keys: [], licences: [] };
  /** Why the last pass was not ended. */
  let passFault: string | undefined;

  const turns = createTurns(clock, {
    pass,
    dueInMs: () => Math.min(pollMs, Math.max(0, (shown.wakeAtMs ?? Number.POSITIVE_INFINITY) - clock.now())),
    onError: (error) => {
      passFault = error instanceof Error ? error.message : String(error);
      log.error({ err: error }, 'keys could not be read');
    },
  });
  const isConfigured = (keyId: string) => shown.keys.some((k) => k.keyId === keyId && k.name !== undefined);
  const asking = createAsking({
    ...{ log, clock, authority, holdings, records, attempts, metrics, turns, exclusively },
    isConfigured: async (keyId) => {
      await look(true);
      return isConfigured(keyId);
    },
    stopping: stopping.signal,
  });

  async function decide(): Promise<KeyDecision> {
    const decision = decideKeys(await holdings.gather());
    passFault = undefined;
    const successes = Object.values(records.keys).flatMap((r) => (r.activatedAt ? [Date.parse(r.activatedAt)] : []));
    metrics.show(decision.keys, Math.max(0, ...successes));
    return decision;
  }

  /**
   * Reads what is there, and tells the ledger what it grants. Where others may change both, that is done with everybody else kept out, by what is there then:
   * what was read before another server installed a key must not take its seats away again.
   * @param isHeld whether this server keeps the others out already
   */
  async function look(isHeld = false): Promise<KeyDecision> {
    let decision = await decide();
    const granted = () => entitlementsAt(decision.licences, guard.latestMs);
    try {
      if (await handover.isDue(granted())) {
        const again = async () => {
          decision = await decide();
          return granted();
        };
        await handover.tell(granted(), isHeld || deps.owner === undefined ? undefined : again);
      }
    } finally {
      shown = decision; // afterwards: who sees that a key is active finds what it grants in the ledger, unless that is away
    }
    return decision;
  }

  async function pass(): Promise<void> {
    const { actions } = await look();
    if (actions.some((a) => a.do !== 'activate')) await exclusively(actHere);
    await asking.begin(shown.actions);
    if (guard.unnoted) await exclusively(() => guard.note());
  }

  /** What needs nobody else. Each step that succeeds may make the next one due: the successor is active, so the old file goes. */
  async function actHere(): Promise<void> {
    const done = new Set<string>();
    for (;;) {
      // Another replica may have done it while this one waited.
      const { actions } = await look(true);
      const fresh = actions.filter((a) => a.do !== 'activate' && !done.has(JSON.stringify(a)));
      if (fresh.length === 0) return;
      for (const action of fresh) {
        done.add(JSON.stringify(action));
        await attempts.make(subjectOf(action), () => act(action));
      }
    }
  }

  async function act(action: KeyAction): Promise<Done> {
    switch (action.do) {
      case 'activate':
        break; // the authority is asked beside the passes
      case 'install':
        await holdings.put(action.keyId, action.activation, 'configuration', {});
        break;
      case 'adopt':
        await records.put(action.keyId, { source: 'configuration', sequence: holdings.lastSequence(action.keyId) });
        break;
      case 'remove':
        await folder.remove(action.name);
        log.info({ keyId: action.name }, 'superseded activation removed');
    }
    return { ok: true };
  }

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
      await turns.take(() => look()); // the trusted keys and the clock as they are now
      return checkOffline(holdings.verify(activation.trim()), { keyId, product, nowMs: guard.latestMs });
    }
    if (authority === undefined) return { usable: false, keyId, fault: noAuthority };
    const asked = await authority.check(holdings.requestFor(key, keyId));
    metrics.asked('check', asked.ok ? undefined : asked.fault.reason);
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
    await turns.take(() => look());
    const done = await asking.activate(parsed.key, parsed.keyId, source).catch(ifUnwritten);
    if (!done.ok) return done;
    return turns.take(async () => {
      await look();
      return outcomeOf(parsed.keyId);
    });
  }

  async function respond(
    answer: { readonly activation: string } & Partial<ActivationResponse>,
    source: KeySource,
  ): Promise<KeyOutcome> {
    await look();
    const activation = answer.activation.trim();
    const verified = holdings.verify(activation);
    if (!verified.ok) return { ok: false, fault: faultOf(verified) };
    const { keyId, sequence } = verified.activation;
    if (sequence < holdings.lastSequence(keyId)) return { ok: false, fault: outdated };
    const installedBy = isConfigured(keyId) ? 'configuration' : source;
    const done = await exclusively(async (): Promise<Done> => {
      await holdings.put(keyId, activation, installedBy, answer);
      return { ok: true };
    }).catch(ifUnwritten);
    if (!done.ok) return done;
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
    return { ok: true, request: holdings.requestFor(parsed.key, parsed.keyId) };
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

  /** Passes until nothing more is asked about. */
  const refresh = async (): Promise<void> => {
    do await turns.take(pass);
    while (await asking.settled());
  };

  return {
    start: () =>
      turns.take(async () => {
        await handover.claim(stopping.signal); // whose ledger it is comes first
        await look(); // adopts no record yet, but knows which keys there are
        await noteReactivation();
        turns.passSoon();
      }),
    stop: async () => {
      stopping.abort(new Error('the keys are stopped'));
      turns.stop();
      await authority?.close(); // what is being asked ends now instead of at its time limit
      await asking.settled();
      await turns.take(() => guard.note());
    },
    status: () => {
      const found = passFault === undefined ? holdings.troubles : [passFault];
      const troubles = [handover.foreign, ...found, authority?.trouble()].filter((t) => t !== undefined);
      return {
        fingerprint: identity.fingerprint,
        keys: shown.keys,
        ...(troubles.length === 0 ? {} : { trouble: troubles.join('; ') }),
      };
    },
    activationOf: (keyId) => holdings.activationOf(keyId),
    check,
    install,
    remove: (keyId) => turns.take(() => remove(keyId)),
    request: (of) => turns.take(() => request(of)),
    respond: (answer, source) => turns.take(() => respond(answer, source)),
    look: () => turns.take(async () => void (await look())),
    refresh,
  };
}
