import { expect, test } from 'vitest';
import { licenceServerSpec } from '../../../../../operator/licenceServer/api/schema/spec.ts';
import { podRole, podRoleBinding } from '../../../../../operator/licenceServer/build/podRights.ts';

const owner = { name: 'office', namespace: 'accounting', uid: 'u1' };

test('a server that knows its clients by their pods may look at pods of its namespace; any other may look at nothing', () => {
  const byPods = licenceServerSpec.parse({ access: { clients: 'ServiceAccount' } });
  expect(podRole(owner, byPods)?.rules).toEqual([{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]);
  expect(podRoleBinding(owner, byPods)).toMatchObject({
    metadata: { name: 'office-pods', namespace: 'accounting' },
    roleRef: { kind: 'Role', name: 'office-pods' },
    subjects: [{ kind: 'ServiceAccount', name: 'office', namespace: 'accounting' }],
  });
  const others = licenceServerSpec.parse({});
  expect([podRole(owner, others), podRoleBinding(owner, others)]).toEqual([undefined, undefined]);
});
