import { readActivation, type VerifiedActivation, verifyActivation } from '../../licence/activation.ts';
import type { ActivationRequest, ActivationResponse } from '../../licence/authorityWire.ts';
import { momentOf } from '../../licence/moment.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import { activationRequest } from './activationRequest.ts';
import type { Attempts } from './attempts.ts';
import type { AuthorityClient } from './authorityClient.ts';
import type { ClockGuard } from './clockGuard.ts';
import { readConfiguredKeys } from './configuredKeys.ts';
import type { Situation } from './decide.ts';
import type { Identity } from './identity.ts';
import type { KeyRecords, KeySource } from './keyRecords.ts';
import type { LicenceFile, LicenceFolder } from './licenceFolder.ts';
import { learnSigner } from './newSigner.ts';
import { written } from './outcomes.ts';
import type { Trust, TrustStore } from './trust.ts';

/** What a server has of keys: what is configured, what lies in `Licence/` and is believed, and what is known beside it. */
export interface Holdings {
  /** Reads everything again. @throws Error naming what cannot be read */
  gather(): Promise<Situation>;
  /** What the last look found wrong beside single keys, one sentence each. */
  readonly troubles: readonly string[];
  verify(activation: string): VerifiedActivation;
  /** As `verify`, after a look at whether the authority has changed its keys. */
  verifyAnswer(activation: string, from: AuthorityClient): Promise<VerifiedActivation>;
  /** The activation in force of a key, as of the last look. */
  activationOf(keyId: string): string | undefined;
  /** The last sequence received: by the records, or, where they could not be written, by the file itself. */
  lastSequence(keyId: string): number;
  /** What the authority is asked with. */
  requestFor(key: string, keyId: string): ActivationRequest;
  /** Writes a verified activation and its record. */
  put(keyId: string, activation: string, source: KeySource, answer: Partial<ActivationResponse>): Promise<void>;
}

export interface HoldingsDeps {
  readonly log: Logger;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly keysDir: string | undefined;
  readonly canAsk: boolean;
  readonly folder: LicenceFolder;
  readonly records: KeyRecords;
  readonly trustStore: TrustStore;
  readonly guard: ClockGuard;
  readonly attempts: Attempts;
}

export function createHoldings(deps: HoldingsDeps): Holdings {
  const { log, clock, identity, keysDir, folder, records, trustStore, guard, attempts } = deps;
  let trust: Trust = { keys: new Map() };
  let inputs = '';
  let troubles: readonly string[] = [];
  let sound: ReadonlyMap<string, string> = new Map();

  const verify = (activation: string) =>
    verifyActivation(activation, {
      trusted: trust.keys,
      fingerprint: identity.fingerprint,
      publicKey: identity.publicKey,
      nowMs: guard.latestMs,
    });

  /** A file as it is, or, while it cannot be read, as it last was: nobody has said that it is bad. */
  function judged({ name, text, unreadable }: LicenceFile) {
    const known = text ?? sound.get(name);
    if (unreadable !== undefined) {
      troubles = [...troubles, known === undefined ? unreadable : `${unreadable}; what it held last serves on`];
    }
    if (known !== undefined) return { name, text: known, verified: verify(known) };
    const message = unreadable ?? 'the activation file cannot be read';
    return { name, text: '', verified: { ok: false, reason: 'ActivationUnreadable', message } as const };
  }

  const lastSequence = (keyId: string): number => {
    const present = sound.get(keyId);
    const payload = present === undefined ? undefined : readActivation(present);
    const ofFile = payload?.keyId === keyId ? payload.sequence : 0;
    return Math.max(records.sequenceOf(keyId), ofFile);
  };

  return {
    get troubles() {
      return troubles;
    },
    verify,
    activationOf: (keyId) => sound.get(keyId),
    lastSequence,
    requestFor: (key, keyId) => activationRequest(identity, { key, sequence: lastSequence(keyId) }, clock.now()),
    gather: async () => {
      await records.reload();
      const { trouble: clockTrouble, wentBack } = guard.look();
      if (wentBack) attempts.clear(); // their times are in a future that may be far away
      trust = await trustStore.read();
      const configured = keysDir === undefined ? [] : await readConfiguredKeys(keysDir);
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
        canAsk: deps.canAsk,
        toReactivate: records.toReactivate,
      };
    },
    verifyAnswer: async (activation, from) => {
      const verified = verify(activation);
      if (verified.ok || verified.reason !== 'ActivationUntrusted') return verified;
      const kid = await learnSigner(activation, trustStore, from);
      if (kid === undefined) return verified;
      trust = await trustStore.read();
      log.info({ kid }, 'the authority has a new signing key, for which a trusted one vouches');
      return verify(activation);
    },
    put: async (keyId, activation, source, answer) => {
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
    },
  };
}
