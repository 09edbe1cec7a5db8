import { Agent, type Dispatcher } from 'undici';
import { readLines } from '../../operator/kube/lines.ts';
import { kinds } from '../../operator/kube/resourceKind.ts';
import { labels } from '../../operator/licenceServer/api/metadata.ts';
import { containerPort, namesOf } from '../../operator/licenceServer/api/names.ts';
import type { LicenceServer } from '../../operator/licenceServer/api/types.ts';
import { http1 } from '../../runtime/http1.ts';
import { type Cluster, secretData } from './cluster.ts';
import { CommandFault, exitStatus } from './exitStatus.ts';
import { messageOf } from './faultOf.ts';
import { inCommands } from './inCommands.ts';
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

/** What to type where the server's own words leave that open. */
const refusalTodo: Readonly<Record<string, string>> = {
  InstanceUnknown: 'name the instance with --instance; the log of the copy that was refused has its UUID',
  LeaseUnknown: '"kubectl licence seats" lists those that are held now',
  ProductNotNamed: '"kubectl licence assignments" lists the products that are for named users',
  ReassignedTooEarly: '"kubectl licence assignments" says from when each seat may move',
  AllSeatsAssigned:
    'take somebody\'s seat away in the same command: --remove USER; "kubectl licence assignments" says whose may move',
};

/** How a refusal of the server reaches a command that wants to tell them apart. */
export class ServerRefusal extends CommandFault {
  readonly status: number;
  readonly reason: string;
  constructor(status: number, reason: string, detail: string) {
    super(`the licence server refuses: ${inCommands(detail)} (${reason})`, refusalTodo[reason]);
    this.status = status;
    this.reason = reason;
  }
}

const timeoutMs = 15_000;

/** @throws CommandFault when no pod is ready, or a Secret may not be read */
export async function openServer(cluster: Cluster, server: LicenceServer, localPort?: number): Promise<ServerLink> {
  const { namespace, name } = server.metadata;
  const { client, signal } = cluster;
  const labelSelector = `${labels.name}=licence-server,${labels.instance}=${name}`;
  const token = adminToken(cluster, namespace, name);
  const { items: pods } = await client.list(kinds.Pod, { namespace, labelSelector, signal });
  const ready = pods.find((pod) => pod.metadata.deletionTimestamp === undefined && isReady(pod.status));
  if (ready === undefined) {
    throw new CommandFault(
      `no pod of LicenceServer ${name} is ready`,
      `"kubectl licence status ${name} -n ${namespace}" says why`,
    );
  }
  return openPod(cluster, server, ready.metadata.name, token, localPort);
}

/** As `openServer`, where it is known already which pod is ready. @throws CommandFault when a Secret may not be read */
export async function openPod(
  cluster: Cluster,
  server: LicenceServer,
  pod: string,
  token: Promise<string>,
  localPort?: number,
): Promise<ServerLink> {
  const { namespace, name } = server.metadata;
  const { tls } = server.spec as { readonly tls?: { readonly secretName: string } };
  const asked = [token, tls && certificates(cluster, namespace, tls.secretName)] as const;
  await Promise.allSettled(asked); // at one time; of several that fail, the first of them is told
  const [admin, ca] = await Promise.all(asked);
  const forwarded = await forwardPort(cluster.config, { namespace, name: pod }, containerPort, localPort);
  return link(cluster, namespace, forwarded, admin, `${name}.${namespace}.svc`, tls !== undefined, ca);
}

function link(
  cluster: Cluster,
  namespace: string,
  forwarded: ForwardedPort,
  token: string,
  servername: string,
  isTls: boolean,
  ca: string | undefined,
): ServerLink {
  const url = `${isTls ? 'https' : 'http'}://127.0.0.1:${forwarded.port}`;
  const connect = isTls ? { servername, ...(ca === undefined ? {} : { ca, allowPartialTrustChain: true }) } : {};
  const dispatcher = new Agent({ ...http1, connect });
  const ask = async (method: 'GET' | 'POST' | 'DELETE', path: string, body: unknown, signal: AbortSignal) => {
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const sent = body === undefined ? null : JSON.stringify(body);
    try {
      return await dispatcher.request({ origin: url, path, method, headers, body: sent, signal });
    } catch (error) {
      cluster.signal.throwIfAborted();
      await assertMayForward(cluster, namespace);
      throw new CommandFault(
        `the licence server does not answer: ${forwarded.trouble() ?? messageOf(error)}`,
        'try again; "kubectl licence status" looks at its pod',
      );
    }
  };
  return {
    url,
    token,
    close: () => {
      void dispatcher.destroy();
      forwarded.close();
    },
    call: async <T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T> => {
      const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), cluster.signal]);
      const response = await ask(method, path, body, signal);
      const answer = await wholeOf(response);
      if (isFine(response)) return answer as T;
      throw refusalOf(response.statusCode, answer);
    },
    lines: async function* <T>(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<T> {
      const response = await ask('POST', path, body, signal);
      if (!isFine(response)) throw refusalOf(response.statusCode, await wholeOf(response));
      try {
        for await (const line of readLines(response.body)) yield JSON.parse(line) as T;
      } catch (error) {
        signal.throwIfAborted();
        throw new CommandFault(`the licence server broke off: ${messageOf(error)}`, 'try again');
      }
    },
  };
}

const isFine = ({ statusCode }: Dispatcher.ResponseData): boolean => statusCode >= 200 && statusCode < 300;

async function wholeOf({ headers, body }: Dispatcher.ResponseData): Promise<unknown> {
  const text = await body.text();
  const isJson = String(headers['content-type'] ?? '').includes('json');
  return isJson && text !== '' ? JSON.parse(text) : text;
}

/** What a refused request comes to. Pure. */
export function refusalOf(status: number, answer: unknown): CommandFault {
  const { reason, detail } = (typeof answer === 'object' && answer !== null ? answer : {}) as {
    readonly reason?: string;
    readonly detail?: string;
  };
  const isUnknown = reason === undefined || reason === 'RouteUnknown' || reason === 'MethodNotAllowed';
  if ((status === 404 || status === 405) && isUnknown) {
    return new CommandFault('this licence server is of an older version, which cannot do that', 'upgrade it');
  }
  if (status === 401) {
    return new CommandFault(
      'the licence server does not take the token of the Secret that holds its tokens',
      'was it changed just now? try again in a minute; else restart the server: kubectl licence roll',
    );
  }
  return new ServerRefusal(status, reason ?? String(status), detail ?? `it answers ${status}`);
}

/** The administrator's token of a server. What is not waited for yet may fail meanwhile: it is told where it is used. */
export function adminToken(cluster: Cluster, namespace: string, name: string): Promise<string> {
  const token = readToken(cluster, namespace, name);
  token.catch(() => {});
  return token;
}

async function readToken(cluster: Cluster, namespace: string, name: string): Promise<string> {
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

/** Asked when a port-forward came to nothing, since a refused one says hardly more than 403. */
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
