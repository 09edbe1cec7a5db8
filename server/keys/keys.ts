import { readActivation, type VerifiedActivation, verifyActivation } from '../../licence/activation.ts';
import type { ActivationRequest, ActivationResponse } from '../../licence/authorityWire.ts';
import { parseKey } from '../../licence/key.ts';
import type { KeyFault } from '../../licence/keyFaults.ts';
import { momentOf } from '../../licence/moment.ts';
import type { KeyCheckRequest, KeyCheckResponse, KeyStatus } from '../../licence/serverStatus.ts';
import { type Clock, monotonicOf, sleep, systemClock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { entitlementsAt, type ProductEntitlement, type SetEntitlements } from '../seats/entitlement.ts';
import { activationRequest } from './activationRequest.ts';
import { createAttempts } from './attempts.ts';
import type { AuthorityClient } from './authorityClient.ts';
import { checkOffline, outdated, wrongProduct } from './checkOffline.ts';
import { createClockGuard } from './clockGuard.ts';
import { readConfiguredKeys } from './configuredKeys.ts';
import { decideKeys, type KeyAction, type KeyDecision, type Situation, subjectOf } from './decide.ts';
import type { Identity } from './identity.ts';
import { createKeyMetrics } from './keyMetrics.ts';
import { type KeySource, openKeyRecords } from './keyRecords.ts';
import { goneAfterMs, type LedgerOwner } from './ledgerOwner.ts';
import { type LicenceFile, openLicenceFolder } from './licenceFolder.ts';
import { learnSigner } from './newSigner.ts';
import { openTrust, type Trust } from './trust.ts';

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
  const trustStore = openTrust(deps.trustFile, deps.dataDir);
  const guard = createClockGuard(clock, records);
  const keyMetrics = createKeyMetrics(deps.metrics);

  const attempts = createAttempts(clock);
  /** Keys that the authority is being asked about. */
  const underWay = new Map<string, Promise<void>>();
  /** Answers that could not be written yet: asking again would bring nothing but another one. */
  const unwritten = new Map<string, ActivationResponse>();
  let trust: Trust = { keys: new Map() };
  let inputs = '';
  let troubles: readonly string[] = [];
  let sound: ReadonlyMap<string, string> = new Map();
  let shown: KeyDecision = { actions: [], keys: [], licences: [] };
  let handedOver: string | undefined;
  let foreign: string | undefined;
  let cancelTimer = () => {};
  let hurried = false;
  let stopped = false;
  const stopping = new AbortController();

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
    const files = (await folder.read()).map(judged);
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
      sequenceOf: (keyId) => records.sequenceOf(keyId),
      attempts: attempts.all,
      canAsk: authority !== undefined,
      toReactivate: records.toReactivate,
    };
  }

  /** A file as it is, or, while it cannot be read, as it last was: nobody has said that it is bad. */
  function judged({ name, text, unreadable }: LicenceFile): Judged {
    const known = text ?? sound.get(name);
    if (unreadable !== undefined) {
      troubles = [...troubles, known === undefined ? unreadable : `${unreadable}; what it held last serves on`];
    }
    if (known !== undefined) return { name, text: known, verified: verify(known) };
    const message = unreadable ?? 'the activation file cannot be read';
    return { name, text: '', verified: { ok: false, reason: 'ActivationUnreadable', message } };
  }

  async function show(decision: KeyDecision): Promise<void> {
    shown = decision;
    const successes = Object.values(records.keys).flatMap((r) => (r.activatedAt ? [Date.parse(r.activatedAt)] : []));
    keyMetrics.show(decision.keys, Math.max(0, ...successes));
    const products = entitlementsAt(decision.licences, guard.latestMs);
    const text = JSON.stringify(products);
    if (!(await mayHandOver(products, text !== handedOver))) return;
    await deps.setEntitlements(products);
    handedOver = text;
    log.info(
      { products: products.map((p) => ({ product: p.product, seatLimit: p.seatLimit })) },
      'entitlements changed',
    );
  }

  /** Whether the ledger is to be told: of something new, or because its limits are not what it was told. */
  async function mayHandOver(products: readonly ProductEntitlement[], changed: boolean): Promise<boolean> {
    if (deps.owner === undefined) return changed;
    try {
      const before = foreign;
      foreign = (await deps.owner.claim())?.message;
      if (foreign !== undefined && foreign !== before) log.error(foreign);
      return foreign === undefined && (changed || !(await deps.owner.holds(products)));
    } catch (error) {
      if (changed) throw error;
      return false; // the database is away, and knows it already
    }
  }

  const look = async (): Promise<KeyDecision> => {
    const decision = decideKeys(await gather());
    await show(decision);
    return decision;
  };

  async function pass(): Promise<void> {
    const { actions } = await look();
    if (actions.some((a) => a.do !== 'activate')) await exclusively(actHere);
    await beginAsking(shown.actions);
    if (guard.unnoted) await exclusively(() => guard.note());
  }

  /** What needs nobody else. Each step that succeeds may make the next one due: the successor is active, so the old file goes. */
  async function actHere(): Promise<void> {
    const done = new Set<string>();
    for (;;) {
      // Another replica may have done it while this one waited.
      const { actions } = await look();
      const fresh = actions.filter((a) => a.do !== 'activate' && !done.has(JSON.stringify(a)));
      if (fresh.length === 0) return;
      for (const action of fresh) {
        done.add(JSON.stringify(action));
        await attempt(subjectOf(action), () => act(action));
      }
    }
  }

  /** Has the authority asked about what is due, but for what another replica is asking about. Nobody waits for the answers. */
  async function beginAsking(actions: readonly KeyAction[]): Promise<void> {
    const due = actions.flatMap((a) => (a.do === 'activate' && !underWay.has(a.keyId) ? [a] : []));
    const now = due.slice(0, Math.max(0, mostAtOnce - underWay.size));
    if (now.length === 0 || stopped) return;
    let mine: readonly string[] = [];
    try {
      mine = await exclusively(() =>
        records.beginAsking(
          now.map((a) => a.keyId),
          clock.now(),
        ),
      );
    } catch (error) {
      // where this cannot be noted, no activation could be kept either
      for (const { keyId } of now) failed(keyId, unwritable(error));
    }
    for (const { keyId, key } of now.filter((a) => mine.includes(a.keyId))) {
      const asking = attempt(keyId, () => activate(key, keyId, 'configuration'))
        .then(() => serially(() => exclusively(() => records.endAsking(keyId))))
        .catch((error: unknown) => log.warn({ keyId, err: error }, 'it could not be noted that a key is dealt with'))
        .finally(() => {
          underWay.delete(keyId);
          soon();
        });
      underWay.set(keyId, asking);
    }
  }

  /** One try at one thing; whatever fails is noted, and waits its own time. */
  async function attempt(id: string, work: () => Promise<Done>): Promise<void> {
    try {
      const outcome = await work();
      if (outcome.ok) attempts.succeeded(id);
      else failed(id, outcome.fault, outcome.retryAfterMs);
    } catch (error) {
      log.error({ id, err: error }, 'a change of the keys could not be made');
      failed(id, unwritable(error));
    }
  }

  function failed(keyId: string, fault: KeyFault, retryAfterMs?: number): void {
    if (stopped) return;
    const wait = attempts.failed(keyId, fault, retryAfterMs);
    log.warn({ keyId, ...fault, ...wait }, 'key was not activated');
  }

  async function act(action: KeyAction): Promise<Done> {
    switch (action.do) {
      case 'activate':
        break; // see beginAsking
      case 'install':
        await put(action.keyId, action.activation, 'configuration', {});
        break;
      case 'adopt':
        await records.put(action.keyId, { source: 'configuration', sequence: lastSequence(action.keyId) });
        break;
      case 'remove':
        await folder.remove(action.name);
        log.info({ keyId: action.name }, 'superseded activation removed');
    }
    return { ok: true };
  }

  /** Asks the authority, verifies its answer and installs it. The network is asked before anything is held. */
  async function activate(key: string, keyId: string, source: KeySource): Promise<Done> {
    if (authority === undefined) return { ok: false, fault: noAuthority };
    const continued = lastSequence(keyId);
    const kept = unwritten.get(keyId);
    const asked =
      kept === undefined ? await authority.activate(requestFor(key, keyId)) : { ok: true as const, answer: kept };
    if (kept === undefined) keyMetrics.asked('activate', asked.ok ? undefined : asked.fault.reason);
    if (!asked.ok) return asked;
    const { activation, cloneSuspected } = asked.answer;
    const verified = await verifyAnswer(activation, authority);
    if (!verified.ok && verified.reason === 'ActivationFromFuture') return { ok: false, fault: faultOf(verified) };
    const why = unbelieved(verified, keyId, kept === undefined ? continued : 0);
    if (why !== undefined) {
      unwritten.delete(keyId);
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
      log.warn(
        { keyId },
        'the authority suspects a copy of this server: another one continues the same activations, or the volume of this one ' +
          'was put back from a backup; stop the copy, or have the vendor pardon the key',
      );
    }
    unwritten.set(keyId, asked.answer);
    await serially(() =>
      exclusively(async () => {
        await look();
        // What another replica has got meanwhile is newer, and what nobody wants any more is not installed.
        const wanted = source !== 'configuration' || shown.keys.some((k) => k.keyId === keyId && k.name !== undefined);
        const sequence = verified.ok ? verified.activation.sequence : 0;
        if (wanted && sequence > lastSequence(keyId)) await put(keyId, activation, source, asked.answer);
        unwritten.delete(keyId);
      }),
    );
    return { ok: true };
  }

  /** The last sequence received: by the records, or, where they could not be written, by the file itself. */
  const lastSequence = (keyId: string): number => {
    const present = sound.get(keyId);
    const payload = present === undefined ? undefined : readActivation(present);
    const ofFile = payload?.keyId === keyId ? payload.sequence : 0;
    return Math.max(records.sequenceOf(keyId), ofFile);
  };

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
    const sequenceBefore = records.sequenceOf(keyId);
    await written(folder.write(keyId, activation));
    const before = records.keys[keyId];
    // Who installed a key first stays its source: configuration that names it later does not make it its own.
    const kept = source === 'configuration' && before !== undefined ? before.source : source;
    const { regenerationsLeft = before?.regenerationsLeft, regenerationsResetAt = before?.regenerationsResetAt } =
      answer;
    const record = {
      source: kept,
      activatedAt: momentOf(clock.now()),
      sequence: payload?.sequence ?? before?.sequence ?? 0,
      ...(regenerationsLeft === undefined ? {} : { regenerationsLeft }),
      ...(regenerationsResetAt === undefined ? {} : { regenerationsResetAt }),
    };
    await written(records.put(keyId, record));
    attempts.succeeded(keyId);
    // An older answer, kept and handed in again, confirms nothing.
    if (payload && payload.sequence > sequenceBefore) await guard.confirm(Date.parse(payload.issuedAt));
    log.info({ keyId, generation: payload?.generation, sequence: payload?.sequence, source: kept }, 'key activated');
  }

  const allTroubles = (): string[] => [foreign, ...troubles, authority?.trouble()].filter((t) => t !== undefined);

  const requestFor = (key: string, keyId: string): ActivationRequest =>
    activationRequest(identity, { key, sequence: lastSequence(keyId) }, clock.now());

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
      await serially(look); // the trusted keys and the clock as they are now
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
    await serially(look);
    const done = await activate(parsed.key, parsed.keyId, source).catch(ifUnwritten);
    if (!done.ok) return done;
    return serially(async () => {
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
    const verified = verify(activation);
    if (!verified.ok) return { ok: false, fault: faultOf(verified) };
    const { keyId, sequence } = verified.activation;
    if (sequence < lastSequence(keyId)) return { ok: false, fault: outdated };
    const configured = shown.keys.some((k) => k.keyId === keyId && k.name !== undefined);
    const done = await exclusively(async (): Promise<Done> => {
      await put(keyId, activation, configured ? 'configuration' : source, answer);
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

  const passIn = (delayMs: number) => {
    cancelTimer();
    if (stopped) return;
    cancelTimer = clock.after(delayMs, () => {
      hurried = false;
      void serially(pass)
        .catch((error: unknown) => {
          troubles = [error instanceof Error ? error.message : String(error)];
          log.error({ err: error }, 'keys could not be read');
        })
        .finally(() => {
          const dueMs = shown.wakeAtMs === undefined ? pollMs : Math.max(0, shown.wakeAtMs - clock.now());
          passIn(hurried ? 0 : Math.min(pollMs, dueMs));
        });
    });
  };
  const soon = () => {
    hurried = true;
    passIn(0);
  };

  /** Passes until nothing more is asked about. */
  const refresh = async (): Promise<void> => {
    for (;;) {
      await serially(pass);
      if (underWay.size === 0) return;
      await Promise.all(underWay.values());
    }
  };

  /** Whether the ledger is ours is settled first; a server with another folder may just be on its way out. */
  const claimLedger = async (): Promise<void> => {
    const untilMs = monotonicOf(systemClock) + goneAfterMs + 5_000;
    for (let told = false; ; told = true) {
      const other = await deps.owner?.claim();
      if (other === undefined) return;
      if (!other.passing || monotonicOf(systemClock) > untilMs) throw new Error(other.message);
      if (!told) log.warn(`waits to see whether it goes: ${other.message}`);
      await sleep(systemClock, 1_000, stopping.signal);
    }
  };

  return {
    start: () =>
      serially(async () => {
        await claimLedger();
        await look(); // adopts no record yet, but knows which keys there are
        await noteReactivation();
        soon();
      }),
    stop: async () => {
      stopped = true;
      stopping.abort(new Error('the keys are stopped'));
      cancelTimer();
      await authority?.close(); // what is being asked ends now instead of at its time limit
      await Promise.all(underWay.values());
      await serially(() => guard.note());
    },
    status: () => ({
      fingerprint: identity.fingerprint,
      keys: shown.keys,
      ...(allTroubles().length === 0 ? {} : { trouble: allTroubles().join('; ') }),
    }),
    activationOf: (keyId) => sound.get(keyId),
    check,
    install,
    remove: (keyId) => serially(() => remove(keyId)),
    request: (of) => serially(() => request(of)),
    respond: (answer, source) => serially(() => respond(answer, source)),
    refresh,
  };
}

/** Whether something was done, and if not, why. */
type Done = { readonly ok: true } | { readonly ok: false; readonly fault: KeyFault; readonly retryAfterMs?: number };
type Judged = { readonly name: string; readonly text: string; readonly verified: VerifiedActivation };

/** So many keys are asked about at the same time: an authority that hangs holds up the others, if there are more, only so long. */
const mostAtOnce = 8;

/** The folder or the records could not be written. */
class Unwritten extends Error {}
const written = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: unknown) => {
    throw new Unwritten(error instanceof Error ? error.message : String(error), { cause: error });
  });
/** For a person who waits: what could not be written is a fault with its reason, everything else is another matter. */
const ifUnwritten = (error: unknown): Done => {
  if (!(error instanceof Unwritten)) throw error;
  return { ok: false, fault: unwritable(error) };
};

const unwritable = (error: unknown): KeyFault => ({
  reason: 'ActivationUnwritable',
  message: `${error instanceof Error ? error.message : String(error)}; it is tried again`,
});

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
