import type { ActivationResponse } from '../../licence/authorityWire.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import type { Attempts } from './attempts.ts';
import type { AuthorityClient } from './authorityClient.ts';
import type { KeyAction } from './decide.ts';
import type { Holdings } from './holdings.ts';
import type { KeyMetrics } from './keyMetrics.ts';
import type { KeyRecords, KeySource } from './keyRecords.ts';
import { type Done, noAuthority, unbelieved, unwritable } from './outcomes.ts';
import type { Turns } from './turns.ts';

/** The authority is asked beside the passes, each key on its own; what comes of it is installed by a turn of its own. */
export interface Asking {
  /** Has it asked about what is due, but for what another replica is asking about. Nobody waits for the answers. */
  begin(actions: readonly KeyAction[]): Promise<void>;
  /** Asks, verifies the answer and installs it. The network is asked before anything is held. */
  activate(key: string, keyId: string, source: KeySource): Promise<Done>;
  /** Waits for all that is asked about now. Answers whether there was any. */
  settled(): Promise<boolean>;
}

export interface AskingDeps {
  readonly log: Logger;
  readonly clock: Clock;
  readonly authority: AuthorityClient | undefined;
  readonly holdings: Holdings;
  readonly records: KeyRecords;
  readonly attempts: Attempts;
  readonly metrics: KeyMetrics;
  readonly turns: Turns;
  readonly exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  /** Whether the configuration names a key, by a look of now. */
  readonly isConfigured: (keyId: string) => Promise<boolean>;
  readonly stopping: AbortSignal;
}

/** So many keys are asked about at the same time: an authority that hangs holds up the others, if there are more, only so long. */
const mostAtOnce = 8;

export function createAsking(deps: AskingDeps): Asking {
  const { log, clock, authority, holdings, records, attempts, metrics, turns, exclusively } = deps;
  const underWay = new Map<string, Promise<void>>();
  /** Answers that could not be written yet: asking again would bring nothing but another one. */
  const unwritten = new Map<string, ActivationResponse>();

  async function activate(key: string, keyId: string, source: KeySource): Promise<Done> {
    if (authority === undefined) return { ok: false, fault: noAuthority };
    const continued = holdings.lastSequence(keyId);
    const kept = unwritten.get(keyId);
    const asked =
      kept === undefined
        ? await authority.activate(holdings.requestFor(key, keyId))
        : { ok: true as const, answer: kept };
    if (kept === undefined) metrics.asked('activate', asked.ok ? undefined : asked.fault.reason);
    if (!asked.ok) return asked;
    const { activation, cloneSuspected } = asked.answer;
    const verified = await holdings.verifyAnswer(activation, authority);
    const fault = unbelieved(verified, keyId, kept === undefined ? continued : 0);
    if (fault !== undefined) {
      unwritten.delete(keyId);
      return { ok: false, fault };
    }
    if (cloneSuspected) {
      metrics.cloneSuspected();
      log.warn(
        { keyId },
        'the authority suspects a copy of this server: another one continues the same activations, or the volume of this one ' +
          'was put back from a backup; stop the copy, or have the vendor pardon the key',
      );
    }
    unwritten.set(keyId, asked.answer);
    await turns.take(() =>
      exclusively(async () => {
        // What another replica has got meanwhile is newer, and what nobody wants any more is not installed.
        const configured = await deps.isConfigured(keyId);
        const sequence = verified.ok ? verified.activation.sequence : 0;
        if ((configured || source !== 'configuration') && sequence > holdings.lastSequence(keyId))
          await holdings.put(keyId, activation, source, asked.answer);
        unwritten.delete(keyId);
      }),
    );
    return { ok: true };
  }

  return {
    activate,
    begin: async (actions) => {
      const due = actions.flatMap((a) => (a.do === 'activate' && !underWay.has(a.keyId) ? [a] : []));
      const now = due.slice(0, Math.max(0, mostAtOnce - underWay.size));
      if (now.length === 0 || deps.stopping.aborted) return;
      const keyIds = now.map((a) => a.keyId);
      let mine: readonly string[] = [];
      try {
        mine = await exclusively(() => records.beginAsking(keyIds, clock.now()));
      } catch (error) {
        // where this cannot be noted, no activation could be kept either
        for (const keyId of keyIds) attempts.failed(keyId, unwritable(error));
      }
      for (const { keyId, key } of now.filter((a) => mine.includes(a.keyId))) {
        const asking = attempts
          .make(keyId, () => activate(key, keyId, 'configuration'))
          .then(() => turns.take(() => exclusively(() => records.endAsking(keyId))))
          .catch((error: unknown) => log.warn({ keyId, err: error }, 'it could not be noted that a key is dealt with'))
          .finally(() => {
            underWay.delete(keyId);
            turns.passSoon();
          });
        underWay.set(keyId, asking);
      }
    },
    settled: async () => {
      const any = underWay.size > 0;
      await Promise.all(underWay.values());
      return any;
    },
  };
}
