import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { KubeApi } from '../../cluster/kubeApi.ts';
import { until } from '../../cluster/process.ts';
import { createKey, keyRandomBytes } from '../../licence/key.ts';

export const operatorNamespace = 'licence-operator';
export const operatorAccount = 'operator';
export const operatorUser = `system:serviceaccount:${operatorNamespace}:${operatorAccount}`;
const resourcePath = '/apis/licensing.softonit.ru/v1beta1';

/** One LicenceServer of the fleet. */
export interface Server {
  readonly namespace: string;
  readonly name: string;
}
export const keyOf = (server: Server): string => `${server.namespace}/${server.name}`;
export const pathOf = ({ namespace, name }: Server): string =>
  `${resourcePath}/namespaces/${namespace}/licenceservers/${name}`;

/** `count` servers, at most 250 in a namespace. */
export const fleetOf = (prefix: string, count: number): Server[] =>
  Array.from({ length: count }, (_, i) => ({
    namespace: `fleet-${Math.floor(i / 250)}`,
    name: `${prefix}-${String(i).padStart(5, '0')}`,
  }));

/** Does `work` for every item, `lanes` at a time. */
export async function inLanes<T>(items: readonly T[], lanes: number, work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const lane = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function create(api: KubeApi, path: string, body: unknown): Promise<void> {
  const answer = await api.request('POST', path, body);
  if (answer.status !== 201) throw new Error(`create in ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

/** The CRD, the operator's account with all rights, and what the fleet refers to: a Secret a server, a ConfigMap a namespace. */
export async function prepare(api: KubeApi, crdFile: string, fleet: readonly Server[]): Promise<void> {
  const crd = parse(readFileSync(crdFile, 'utf8'));
  const crdPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  await create(api, crdPath, crd);
  const namespaces = [operatorNamespace, ...new Set(fleet.map((s) => s.namespace))];
  for (const name of namespaces) {
    await create(api, '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    await create(api, `/api/v1/namespaces/${name}/configmaps`, {
      ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'vendor-keys' } },
      data: { 'jwks.json': '{"keys":[]}' },
    });
  }
  await create(api, `/api/v1/namespaces/${operatorNamespace}/serviceaccounts`, {
    ...{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: operatorAccount } },
  });
  await create(api, '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name: 'bench-operator' } },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', name: operatorAccount, namespace: operatorNamespace }],
  });
  await inLanes(fleet, 16, ({ namespace, name }) =>
    create(api, `/api/v1/namespaces/${namespace}/secrets`, {
      ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: `${name}-key` } },
      stringData: { erp: createKey(randomBytes(keyRandomBytes)) },
    }),
  );
  const established = async () => (await api.request('GET', `${resourcePath}/licenceservers?limit=1`)).status === 200;
  await until('LicenceServer served', 30_000, established);
}

/**
 * Creates the resources as fast as the API server takes them from 16 lanes.
 * @param port where every licence server answers
 */
export const createServers = (api: KubeApi, servers: readonly Server[], port: number): Promise<void> =>
  inLanes(servers, 16, ({ namespace, name }) =>
    create(api, `${resourcePath}/namespaces/${namespace}/licenceservers`, {
      apiVersion: 'licensing.softonit.ru/v1beta1',
      kind: 'LicenceServer',
      metadata: { name },
      spec: {
        keys: [{ name: 'erp', secretRef: { name: `${name}-key`, key: 'erp' } }],
        activation: {
          authority: {
            url: 'https://authority.invalid',
            trustedKeys: { configMapRef: { name: 'vendor-keys', key: 'jwks.json' } },
          },
        },
        storage: { size: '1Gi' },
        service: { port },
        seats: { leaseSeconds: 120, reservations: [{ product: 'erp', seats: 5, users: ['buh-*'] }] },
        access: { allowFrom: [{ namespaceSelector: { matchLabels: { team: 'accounting' } } }] },
        resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } },
      },
    }),
  );

interface Condition {
  readonly type: string;
  readonly status: string;
}
interface Item {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly generation: number };
  readonly status?: { readonly observedGeneration?: number; readonly conditions?: readonly Condition[] };
}

/** The servers whose status is not yet of their newest spec or does not say `condition`=True. */
export async function unsettled(api: KubeApi, condition: string): Promise<string[]> {
  const found: string[] = [];
  for (let next = ''; ; ) {
    const path = `${resourcePath}/licenceservers?limit=500${next === '' ? '' : `&continue=${encodeURIComponent(next)}`}`;
    const { body } = await api.request('GET', path);
    const list = body as { items: Item[]; metadata: { continue?: string } };
    for (const { metadata, status } of list.items) {
      const holds = status?.conditions?.some((c) => c.type === condition && c.status === 'True');
      if (status?.observedGeneration !== metadata.generation || !holds) {
        found.push(`${metadata.namespace}/${metadata.name}`);
      }
    }
    next = list.metadata.continue ?? '';
    if (next === '') return found;
  }
}
