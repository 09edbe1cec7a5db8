import { expect, test } from 'vitest';
import type { KubeObject } from '../../../../../operator/kube/object.ts';
import { viewOfDeployment } from '../../../../../operator/licenceServer/observe/deploymentView.ts';
import { Stores } from '../../../../../operator/licenceServer/observe/stores.ts';

/** A Deployment whose pod is up, as its controller said of the generation `observed`. */
const deployment = (generation: number, observed: number, image: string, note: string, uid = 'u1'): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {
    name: 'office',
    namespace: 'a',
    uid,
    generation,
    resourceVersion: String(generation * 10 + observed),
    annotations: { note },
  },
  spec: { replicas: 1, template: { spec: { containers: [{ name: 'server', image }] } } },
  status: { observedGeneration: observed, replicas: 1, updatedReplicas: 1, availableReplicas: 1 },
});

test('what only labels and annotations were changed of is as settled as before; an edit of the spec is not, nor a successor', () => {
  const stores = new Stores();
  const settledAfter = (object: KubeObject): boolean => {
    stores.deployments.put(object);
    return viewOfDeployment(object, stores.specSince(object)).settled;
  };
  expect(settledAfter(deployment(1, 1, 'a:1', 'x'))).toBe(true);
  expect(settledAfter(deployment(2, 1, 'a:1', 'y'))).toBe(true);
  expect(settledAfter(deployment(3, 1, 'a:1', 'z'))).toBe(true);
  expect(settledAfter(deployment(4, 3, 'a:2', 'z'))).toBe(false);
  // A note on what was not seen yet does not make it seen.
  expect(settledAfter(deployment(5, 3, 'a:2', 'y'))).toBe(false);
  expect(settledAfter(deployment(5, 4, 'a:2', 'y'))).toBe(true);
  expect(settledAfter(deployment(6, 5, 'a:3', 'y'))).toBe(false);
  // Back to what it was before anybody looked.
  expect(settledAfter(deployment(7, 5, 'a:2', 'y'))).toBe(false);
  expect(settledAfter(deployment(8, 7, 'a:2', 'y', 'u2'))).toBe(false);
});
