import type { KeyFaultReason } from '../../licence/keyFaults.ts';
import type { KeyStatus } from '../../licence/serverStatus.ts';
import type { Metrics } from '../../runtime/metrics.ts';

/** The metrics of keys. The label `key` is the keyId, a safe name. */
export interface KeyMetrics {
  /** Replaces all series of keys. */
  show(keys: readonly KeyStatus[], lastSuccessMs: number): void;
  /** The authority was asked; without a fault it said yes. */
  asked(call: 'activate' | 'check', fault: KeyFaultReason | undefined): void;
  /** The authority has told of a copy of this server. */
  cloneSuspected(): void;
}

export function createKeyMetrics(metrics: Metrics): KeyMetrics {
  const info = metrics.gauge('licence_key_info', 'A key that the server knows; always 1.', [
    'key',
    'product',
    'generation',
    'state',
  ]);
  const left = metrics.gauge('licence_key_regenerations_remaining', 'New keys that may still be made this month.', [
    'key',
  ]);
  const support = metrics.gauge('licence_support_expiry_timestamp_seconds', 'When the support term of a key ends.', [
    'product',
    'key',
  ]);
  const success = metrics.gauge(
    'licence_activation_last_success_timestamp_seconds',
    'When a key was last activated; 0 if never.',
  );
  const requests = metrics.counter(
    'licence_activation_requests_total',
    'Requests to the authority, by what came of them.',
    ['call', 'outcome'],
  );
  const reachable = metrics.gauge(
    'licence_authority_reachable',
    'Whether the authority answered when it was last asked: 1 or 0; NaN: not asked since the start.',
  );
  reachable.set(Number.NaN);
  const clones = metrics.counter(
    'licence_activation_clones_suspected_total',
    'Activations at which the authority told of a copy of this server.',
  );
  return {
    asked: (call, fault) => {
      requests.inc({ call, outcome: fault ?? 'ok' });
      reachable.set(fault === 'AuthorityUnreachable' ? 0 : 1);
    },
    cloneSuspected: () => clones.inc(),
    show: (keys, lastSuccessMs) => {
      info.reset();
      left.reset();
      support.reset();
      success.set(Math.floor(lastSuccessMs / 1000));
      for (const k of keys) {
        if (k.keyId === undefined) continue;
        const { keyId: key, product = '', generation = '', state } = k;
        info.set({ key, product, generation: String(generation), state }, 1);
        if (k.regenerationsLeft !== undefined) left.set({ key }, k.regenerationsLeft);
        if (k.supportUntil !== undefined) support.set({ product, key }, Date.parse(k.supportUntil) / 1000);
      }
    },
  };
}
