import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlPlane, startControlPlane } from '../../cluster/controlPlane.ts';
import type { KubeObject } from '../../operator/kube/object.ts';
import { kinds } from '../../operator/kube/resourceKind.ts';
import { hasIpv6 } from '../support/hasIpv6.ts';
import { freshKey, isReady, keyIdOf, Stage, specWithKey } from './licenceServer/operator.ts';

/** A cluster of IPv6 alone: its API server listens at ::1, and its Services have addresses of IPv6 only. */
let plane: ControlPlane;
let stage: Stage;

beforeAll(async () => {
  if (!hasIpv6) return;
  plane = await startControlPlane({ ipv6: true });
  stage = await Stage.open(plane.kubeconfig, '::1');
}, 120_000);
afterAll(async () => {
  await stage?.close();
  await plane?.stop();
});

test.runIf(hasIpv6)('a server comes up and takes a new key in a cluster without IPv4', async () => {
  const [first, second] = [freshKey(), freshKey()];
  await stage.start();
  await stage.putKeys('keys', { erp: first });
  await stage.create('office', {
    ...specWithKey(),
    access: { allowFrom: [{ ipBlock: { cidr: 'fd00:10:244::/56', except: ['fd00:10:244:1::/64'] } }] },
  });
  await stage.until('office', 'is ready', isReady);
  expect(new URL(plane.url).hostname).toBe('[::1]');
  expect(stage.server('office').url).toMatch(/^http:\/\/\[::1\]:\d+$/);

  const service = await stage.get<KubeObject & { spec: Record<string, unknown> }>(kinds.Service, 'office');
  expect(service?.spec).toMatchObject({ ipFamilies: ['IPv6'], ipFamilyPolicy: 'SingleStack' });
  expect(service?.spec.clusterIP).toMatch(/^fd00:96::/);
  const policy = await stage.get<KubeObject & { spec: unknown }>(kinds.NetworkPolicy, 'office');
  expect(JSON.stringify(policy?.spec)).toContain('{"cidr":"fd00:10:244::/56","except":["fd00:10:244:1::/64"]}');

  await stage.putKeys('keys', { erp: second });
  await stage.until('office', 'runs the new key', (s) => isReady(s) && s.status?.keys?.[0]?.keyId === keyIdOf(second));
  expect(stage.server('office').checked).toEqual([keyIdOf(second)]);
});
