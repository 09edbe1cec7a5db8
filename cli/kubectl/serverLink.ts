import { Agent, fetch, type Response } from 'undici';
import { kinds } from '../../operator/kube/resourceKind.ts';
import { labels } from '../../operator/licenceServer/api/metadata.ts';
import { containerPort, namesOf } from '../../operator/licenceServer/api/names.ts';
import type { LicenceServer } from '../../operator/licenceServer/api/types.ts';
import { type Cluster, secretData } from './cluster.ts';
import { CommandFault, exitStatus } from './exitStatus.ts';
import { messageOf } from './faultOf.ts';
import { type ForwardedPort, forwardPort } from './portForward.ts';

/** A licence server that is spoken to through a port-forward, as its administrator. */
export interface ServerLink {
  /** Where it is reached from this computer, for as long as the link is open. */
  readonly url: string;
  /** The administrator's token. */
  readonly token: string;
  /**
   * One request; answers the parsed body, or the text of an answer that is not JSON.
   * @throws CommandFault with the server's own words when it refuses, or when it does not answer
   */
  call<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T>;
  /**
   * A request whose answer is a JSON document a line, as they come; ends early when `signal` aborts.
   * @throws CommandFault as `call` does
   */
  lines<T>(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<T>;
  close(): void;
}

/** How a refusal of the server reaches a command that wants to tell them apart. */
export class ServerRefusal extends CommandFault {
  readonly status: number;
  readonly reason: string;
  constructor(status: number, reason: string, detail: string) {
    super(`the licence server refuses: ${detail} (${reason})`);
    this.status = status;
    this.reason = reason;
  }
}

const timeoutMs = 15_000;

/** @throws CommandFault when no pod is ready, or a right is missing */
export async function openServer(cluster: Cluster, server: LicenceServer, localPort?: number): Promise<ServerLink> {
  const { namespace, name } = server.metadata;
  const { client, signal } = cluster;
  const labelSelector = `${labels.name}=licence-server,${labels.instance}=${name}`;
  const { items: pods } = await client.list(kinds.Pod, { namespace, labelSelector, signal });
  const ready = pods.find((pod) => pod.metadata.deletionTimestamp === undefined && isReady(pod.status));
  if (ready === undefined) {
    throw new CommandFault(
      `no pod of LicenceServer ${name} is ready`,
      `"kubectl licence status ${name} -n ${namespace}" says why`,
    );
  }
  return openPod(cluster, server, ready.metadata.name, localPort);
}

/** As `openServer`, where it is known already which pod is ready. @throws CommandFault when a right is missing */
export async function openPod(
  cluster: Cluster,
  server: LicenceServer,
  pod: string,
  localPort?: number,
): Promise<ServerLink> {
  const { namespace, name } = server.metadata;
  const { tls } = server.spec as { readonly tls?: { readonly secretName: string } };
  const asked = [
    adminToken(cluster, namespace, name),
    assertMayForward(cluster, namespace),
    tls && certificates(cluster, namespace, tls.secretName),
  ] as const;
  await Promise.allSettled(asked); // at one time; of several that fail, the first of them is told
  const [token, , ca] = await Promise.all(asked);
  const forwarded = await forwardPort(cluster.config, { namespace, name: pod }, containerPort, localPort);
  return link(forwarded, token, `${name}.${namespace}.svc`, tls !== undefined, ca);
}

function link(
  forwarded: ForwardedPort,
  token: string,
  servername: string,
  isTls: boolean,
  ca: string | undefined,
): ServerLink {
  const url = `${isTls ? 'https' : 'http'}://127.0.0.1:${forwarded.port}`;
  const connect = isTls ? { servername, ...(ca === undefined ? {} : { ca, allowPartialTrustChain: true }) } : {};
  const dispatcher = new Agent({ connect });
  const ask = (method: string, path: string, body: unknown, signal: AbortSignal) =>
    fetch(`${url}${path}`, {
      method,
      dispatcher,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    }).catch((error: unknown) => {
      throw new CommandFault(
        `the licence server does not answer: ${forwarded.trouble() ?? messageOf(error)}`,
        'try again; "kubectl licence status" looks at its pod',
      );
    });
  return {
    url,
    token,
    close: () => {
      void dispatcher.destroy();
      forwarded.close();
    },
    call: async <T>(method: string, path: string, body?: unknown): Promise<T> => {
      const response = await ask(method, path, body, AbortSignal.timeout(timeoutMs));
      const answer = await wholeOf(response);
      if (response.ok) return answer as T;
      throw refusalOf(response.status, answer);
    },
    lines: async function* <T>(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<T> {
      const response = await ask('POST', path, body, signal);
      if (!response.ok || response.body === null) throw refusalOf(response.status, await wholeOf(response));
      const chunks = response.body.values();
      const decoder = new TextDecoder();
      let rest = '';
      for (;;) {
        const { done, value } = await chunks.next().catch((error: unknown) => {
          signal.throwIfAborted();
          throw new CommandFault(`the licence server broke off: ${messageOf(error)}`, 'try again');
        });
        if (done) return;
        const lines = (rest + decoder.decode(value, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) yield JSON.parse(line) as T;
      }
    },
  };
}

async function wholeOf(response: Response): Promise<unknown> {
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return isJson && text !== '' ? JSON.parse(text) : text;
}

function refusalOf(status: number, answer: unknown): CommandFault {
  const { reason, detail } = (typeof answer === 'object' && answer !== null ? answer : {}) as {
    readonly reason?: string;
    readonly detail?: string;
  };
  const isUnknown = reason === undefined || reason === 'RouteUnknown' || reason === 'MethodNotAllowed';
  if ((status === 404 || status === 405) && isUnknown) {
    return new CommandFault('this licence server is of an older version, which cannot do that', 'upgrade it');
  }
  return new ServerRefusal(status, reason ?? String(status), detail ?? `it answers ${status}`);
}

async function adminToken(cluster: Cluster, namespace: string, name: string): Promise<string> {
  const secret = namesOf(name).tokens;
  const tokens = await secretData(cluster, namespace, secret);
  const token = tokens?.admin?.split('\n')[0]?.trim();
  if (token) return token;
  throw new CommandFault(
    tokens === undefined ? `Secret ${secret} does not exist` : `Secret ${secret} has no token under "admin"`,
    'the operator makes it; "kubectl licence status" says what keeps it from that',
  );
}

async function certificates(cluster: Cluster, namespace: string, name: string): Promise<string | undefined> {
  const data = await secretData(cluster, namespace, name);
  return data?.['ca.crt']?.trim() || data?.['tls.crt'];
}

/** Asked beforehand, since a refused port-forward says hardly more than 403. */
async function assertMayForward({ client, signal }: Cluster, namespace: string): Promise<void> {
  const { body } = await client.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { namespace, verb: 'create', resource: 'pods', subresource: 'portforward' } },
    },
    signal,
  });
  if ((body as { readonly status?: { readonly allowed?: boolean } }).status?.allowed) return;
  throw new CommandFault(
    `you may not create pods/portforward in namespace ${namespace}`,
    'ask for a Role with apiGroups [""], resources ["pods/portforward"], verbs ["create"]',
    exitStatus.forbidden,
  );
}

const isReady = (status: unknown): boolean =>
  (
    status as { readonly conditions?: readonly { readonly type: string; readonly status: string }[] } | undefined
  )?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
