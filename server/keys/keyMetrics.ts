import type { KeyStatus } from '../../licence/serverStatus.ts';
import type { Metrics } from '../../runtime/metrics.ts';

/** The metrics of keys; `show` replaces all series. The label `key` is the keyId, a safe name. */
export function createKeyMetrics(metrics: Metrics): { show(keys: readonly KeyStatus[], lastSuccessMs: number): void } {
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
  return {
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
