import { expect, inject, it } from 'vitest';
import { auditPosition, readAudit, writeVerbs } from '../../../cluster/auditLog.ts';
import { createKubeApi } from '../../../cluster/kubeApi.ts';
import { readKubeconfig, serviceAccountKubeconfig, userKubeconfig } from '../../../cluster/kubeconfig.ts';

const apiOf = (kubeconfig: string) => createKubeApi(readKubeconfig(kubeconfig));
const dir = inject('controlPlaneDir');
const admin = apiOf(inject('kubeconfig'));

it('a user with a client certificate has the rights of its groups, and the audit log says what it wrote', async () => {
  const master = apiOf(await userKubeconfig(dir, 'alice', ['system:masters']));
  const nobody = apiOf(await userKubeconfig(dir, 'bob'));
  const from = auditPosition(inject('auditLog'));
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { generateName: 'of-alice-' } };
  expect((await master.request('POST', '/api/v1/namespaces/default/configmaps', map)).status).toBe(201);
  expect((await nobody.request('POST', '/api/v1/namespaces/default/configmaps', map)).status).toBe(403);
  const writes = readAudit(inject('auditLog'), from).filter((e) => writeVerbs.has(e.verb));
  expect(writes.filter((e) => e.user === 'alice')).toMatchObject([{ resource: 'configmaps', status: 201 }]);
  expect(writes.filter((e) => e.user === 'bob')).toMatchObject([{ resource: 'configmaps', status: 403 }]);
});

it('a service account has the rights that its bindings give, in its namespace only', async () => {
  const namespace = 'of-a-service-account';
  const at = `/api/v1/namespaces/${namespace}`;
  await admin.apply(at, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'reader' } };
  await admin.apply(`${at}/serviceaccounts/reader`, account);
  await admin.apply(`/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings/view`, {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: 'view' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
    subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace }],
  });
  const reader = apiOf(await serviceAccountKubeconfig(dir, namespace, 'reader'));
  expect((await reader.request('GET', `${at}/configmaps`)).status).toBe(200);
  expect((await reader.request('GET', `${at}/secrets`)).status).toBe(403);
  expect((await reader.request('GET', '/api/v1/namespaces/default/configmaps')).status).toBe(403);
});
