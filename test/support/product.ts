import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { accessCluster, type ClusterAccess } from '../../cluster/cluster.ts';
import { type Kubectl, kubectlFor } from '../../demo/kubectl.ts';
import { connectVendor, type SampleRequest, sampleObjects, type Vendor, waitForCondition } from '../../demo/product.ts';
import { reachEmbedded } from '../../demo/reach.ts';
import type { IssuedKey, IssueRequest } from '../../licence/authorityWire.ts';
import type { ServerStatus } from '../../licence/serverStatus.ts';
import { type ClusterReads, clusterReads } from './clusterReads.ts';

/** What an end-to-end test works with: the run's cluster with the product installed. */
export interface Product {
  readonly cluster: ClusterAccess;
  readonly kubectl: Kubectl;
  readonly reads: ClusterReads;
  readonly vendor: Vendor;
}

export async function useProduct(): Promise<Product> {
  const cluster = accessCluster(inject('cluster'));
  const reads = clusterReads(cluster.kubeconfig);
  const { get, secret } = reads;
  const kubectl = Object.assign(kubectlFor(inject('clients'), { kubeconfig: cluster.kubeconfig }), { get, secret });
  return { cluster, kubectl, reads, vendor: await connectVendor({ kubectl, reach: reachEmbedded(cluster, kubectl) }) };
}

/** The status of a LicenceServer, as far as tests read it. */
export interface Observed {
  readonly metadata: { readonly generation: number; readonly uid: string };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly fingerprint?: string;
    readonly seats?: string;
    readonly trouble?: string;
    readonly conditions?: readonly { type: string; status: string; reason: string; message: string }[];
    readonly keys?: readonly {
      name: string;
      keyId?: string;
      generation?: number;
      state: string;
      activatedAt?: string;
    }[];
    readonly reactivation?: { readonly provenAt?: string };
    readonly regeneration?: {
      phase: string;
      reason?: string;
      message?: string;
      regenerationsLeft?: number;
      regenerationsResetAt?: string;
    };
    readonly rotation?: { phase: string; reason?: string; message?: string };
    readonly staleSeats?: {
      since?: string;
      lastClearing?: { at: string; by: string; before: number; after: number };
    };
    readonly nextDisruption?: { at?: string; reasons?: readonly string[] };
  };
}

export interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: {
    readonly phase: string;
    readonly containerStatuses?: readonly { name: string; restartCount: number; containerID: string; ready: boolean }[];
  };
}

/** One licence server on the cluster, made for one test file. */
export interface TestServer {
  readonly namespace: string;
  readonly name: string;
  readonly key: IssuedKey;
  observed(): Promise<Observed>;
  pod(): Promise<Pod>;
  status(): Promise<ServerStatus>;
  /** A request with a token of the role; answers status and parsed body. */
  call(role: 'client' | 'admin' | 'metrics', method: string, path: string, body?: unknown): Promise<Answer>;
  checkOut(user: string, mode: 'leased' | 'sticky', base?: string): Promise<Answer>;
  waitFor(condition: string, timeoutSeconds?: number): Promise<void>;
  token(role: 'client' | 'admin' | 'metrics'): Promise<string>;
  /** Its address, from this machine. */
  url(): Promise<string>;
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers freely and fail on what is not there
  readonly body: any;
}

/** Issues a licence, applies a LicenceServer with its key, and waits until it is ready. */
export async function startTestServer(
  product: Product,
  at: { readonly namespace: string; readonly name?: string; readonly key?: IssuedKey },
  licence: Partial<IssueRequest> = {},
  spec: SampleRequest['spec'] = {},
): Promise<TestServer> {
  const { kubectl, vendor } = product;
  const { namespace } = at;
  const name = at.name ?? `t${randomUUID().slice(0, 6)}`;
  const key = at.key ?? (await vendor.issue({ organisation: 'Test Ltd', product: 'erp', seatLimit: 5, ...licence }));
  await kubectl.apply(await sampleObjects({ namespace, name, vendor, key: key.key, spec }));
  const server = testServer(product, { namespace, name, key }, licence.product);
  await server.waitFor('Ready');
  return server;
}

/** A LicenceServer that is applied already, whether it is ready or not. */
export function testServer(
  { cluster, kubectl, reads }: Product,
  { namespace, name, key }: Pick<TestServer, 'namespace' | 'name' | 'key'>,
  product = 'erp',
): TestServer {
  const waitFor: TestServer['waitFor'] = async (condition, timeoutSeconds = 120) => {
    try {
      await waitForCondition(kubectl, { namespace, name }, condition, timeoutSeconds);
    } catch (error) {
      const now = await kubectl(['-n', namespace, 'get', 'lics,deploy,pod,pvc,events', '-o', 'wide']);
      const conditions = JSON.stringify((await observed()).status, null, 1);
      throw new Error(`${error instanceof Error ? error.message : error}\n${now}\n${conditions}`);
    }
  };
  const observed = async (): Promise<Observed> => {
    const found = await kubectl.get<Observed>(namespace, 'licenceserver', name);
    if (found === undefined) throw new Error(`there is no LicenceServer ${namespace}/${name}`);
    return found;
  };
  let reached: Promise<string> | undefined;
  const url = () => {
    reached ??= reachEmbedded(cluster, kubectl)(namespace, name, 8080);
    reached.catch(() => {
      reached = undefined;
    });
    return reached;
  };
  const token: TestServer['token'] = async (role) =>
    ((await kubectl.secret(namespace, `${name}-tokens`))[role] ?? '').split('\n')[0] ?? '';

  const once: TestServer['call'] = async (role, method, path, body) => {
    const response = await fetch(new URL(path, await url()), {
      method,
      headers: {
        authorization: `Bearer ${await token(role)}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(method === 'GET' ? 3_000 : 10_000),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    return { status: response.status, body: isJson && text !== '' ? JSON.parse(text) : text };
  };
  // For a moment after a pod has gone, the Service's rules still lead to it; a request that only asks is put again.
  const call: TestServer['call'] = (role, method, path, body) =>
    method === 'GET'
      ? eventually(`an answer to ${path}`, 30_000, () => once(role, method, path, body))
      : once(role, method, path, body);
  return {
    namespace,
    name,
    key,
    observed,
    waitFor,
    token,
    url,
    call,
    status: async () => (await call('admin', 'GET', '/v1/status')).body as ServerStatus,
    pod: async () => {
      type Found = Pod & { metadata: { deletionTimestamp?: string } };
      const pods = await reads.list<Found>(namespace, 'pod', `app.kubernetes.io/instance=${name}`);
      const live = pods.filter((p) => p.metadata.deletionTimestamp === undefined);
      if (live.length !== 1 || live[0] === undefined) throw new Error(`${namespace}/${name} has ${live.length} pods`);
      return live[0];
    },
    checkOut: (user, mode, base = 'trade') =>
      call('client', 'POST', '/v1/checkouts', {
        product,
        mode,
        holder: { base, user, host: `pc-${user}`, session: '' },
      }),
  };
}

/**
 * Polls until `attempt` neither throws nor answers undefined or false, and answers what it did.
 * @throws the last error when `timeoutMs` is over
 */
export async function eventually<T>(
  what: string,
  timeoutMs: number,
  attempt: () => Promise<T | undefined | false>,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (let last: unknown; ; ) {
    try {
      const answer = await attempt();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      const why = last === undefined ? '' : `: ${last instanceof Error ? last.message : last}`;
      throw new Error(`${what}: not within ${timeoutMs / 1_000} s${why}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Polls for `forMs` and fails as soon as `holds` does not. */
export async function always(what: string, forMs: number, holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + forMs; Date.now() < end; ) {
    if (!(await holds())) throw new Error(`${what}: did not hold for ${forMs / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
