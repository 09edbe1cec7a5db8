import { expect, test } from 'vitest';
import type { Unheard } from '../../../../../operator/kube/namespaceWatch.ts';
import type { LicenceServer, SpecInput, Status } from '../../../../../operator/licenceServer/api/types.ts';
import { createOperatorMetrics } from '../../../../../operator/licenceServer/tell/operatorMetrics.ts';
import { createMetrics } from '../../../../../runtime/metrics.ts';
import { licenceServer } from '../world.ts';

const named = (name: string, status: Status, spec: SpecInput = {}, more: Partial<LicenceServer['metadata']> = {}) =>
  licenceServer(spec, { name, uid: name, status, ...more });
const available = (status: 'True' | 'False'): Status => ({
  version: '1.0.0',
  conditions: [{ type: 'Available', status, reason: 'R', message: 'm', lastTransitionTime: '2030-01-01T00:00:00Z' }],
});

test('whether a server is there is told of those that are to run and ran before, and no longer of one that is gone', async () => {
  const metrics = createMetrics();
  let servers = [
    named('up', available('True')),
    named('down', available('False')),
    named('suspended', available('False'), { suspend: true }),
    named('leaving', available('False'), {}, { deletionTimestamp: '2030-01-01T00:00:00Z' }),
    named('new', { conditions: [] }),
  ];
  const { refresh, forget } = createOperatorMetrics(metrics, {
    servers: () => servers,
    eventAges: () => ({}),
    unheard: () => [],
  });
  const told = async () => {
    refresh();
    const text = await metrics.registry.metrics();
    return text.split('\n').filter((line) => line.startsWith('licence_operator_licence_server_available{'));
  };
  const line = (name: string, value: number) =>
    `licence_operator_licence_server_available{server_namespace="accounting",server="${name}"} ${value}`;
  expect(await told()).toEqual([line('up', 1), line('down', 0)]);
  servers = servers.slice(0, 1);
  expect(await told()).toEqual([line('up', 1)]);
  forget();
  expect(await metrics.registry.metrics()).not.toContain('server="up"');
  expect(await told()).toEqual([line('up', 1)]);
});

test('what is not heard is named as long as it is, within a bound; a kind that is gone has no age', async () => {
  const metrics = createMetrics();
  const refused = {
    reason: 'Forbidden',
    message: 'no',
    isRefused: true,
    failures: 3,
    optional: false,
    wasListed: true,
  };
  let unheard: readonly Unheard[] = [{ ...refused, namespace: 'sales', kind: 'Secret', silentMs: 61_500 }];
  let ages: Record<string, number> = { Secret: 1, ServiceMonitor: 9 };
  const { refresh } = createOperatorMetrics(metrics, {
    servers: () => [],
    eventAges: () => ages,
    unheard: () => unheard,
  });
  const told = async (family: string) => {
    refresh();
    return (await metrics.registry.metrics()).split('\n').filter((line) => line.startsWith(`${family}{`));
  };
  const failing = 'licence_operator_watch_failing_seconds';
  expect(await told(failing)).toEqual([`${failing}{watched_namespace="sales",kind="Secret"} 61.5`]);
  unheard = Array.from({ length: 5_000 }, (_, i) => ({ ...refused, namespace: `n${i}`, kind: 'Secret', silentMs: 1 }));
  expect(await told(failing)).toHaveLength(100);
  unheard = [];
  expect(await told(failing)).toEqual([]);
  ages = { Secret: 2 };
  const age = 'licence_operator_watch_last_event_age_seconds';
  expect(await told(age)).toEqual([`${age}{kind="Secret"} 2`]);
});
