import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { holdsCertificates } from '../../runtime/certificates.ts';
import { type Clock, monotonicOf } from '../../runtime/clock.ts';
import { http1 } from '../../runtime/http1.ts';
import { KubeconfigFault } from './kubeconfigFault.ts';

/** Where the API server is and how to reach it as ourselves. */
export interface Connection {
  /** `https://host:port`, without a path. */
  readonly origin: string;
  /** Put before every path: non-empty behind a proxy that routes by path. */
  readonly basePath: string;
  /** Dispatcher and headers that carry our credentials as they are now. */
  credentials(): Promise<Credentials>;
  /** Reads the credentials anew at the next call: the API server refused the present ones. */
  renew(): void;
  close(): Promise<void>;
}
export interface Credentials {
  readonly dispatcher: Dispatcher;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ConnectionOptions {
  /** Path of a kubeconfig; without it: inside a pod its service account, else KUBECONFIG or ~/.kube/config. */
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly clock: Clock;
}

/** Certificates and tokens are read anew after so long; a rotated file is noticed within it. */
const rereadMs = 10_000;

/**
 * Reads the configuration. One keep-alive agent serves all requests with the same certificates: a new one for each would
 * cost a TLS handshake each.
 * @throws when there is none, or the context is unknown
 */
export function openConnection(options: ConnectionOptions): Connection & { readonly namespace: string } {
  let config = loadConfig(options);
  const cluster = config.getCurrentCluster();
  if (cluster === null || isNoCluster(config)) {
    const todo = 'set KUBECONFIG, or run in a pod with a service account';
    throw new KubeconfigFault('NoCluster', `no cluster is configured: ${todo}`);
  }
  const url = new URL(cluster.server);
  const { proxyUrl } = cluster;

  let dispatcher: { readonly hash: string; readonly agent: Dispatcher } | undefined;
  let known: { readonly at: number; readonly credentials: Promise<Credentials> } | undefined;

  const checkAuthorities = lastSound();
  const read = async (): Promise<Credentials> => {
    // The library refuses plain HTTP (a local proxy, a test) unless TLS checks are off; there are none to do.
    const https: RequestOptions = {};
    if (url.protocol === 'https:') await config.applyToHTTPSOptions(https).catch(noCredentials);
    checkAuthorities(https);
    const hash = tlsHash(https);
    if (dispatcher?.hash !== hash) {
      const old = dispatcher;
      dispatcher = { hash, agent: createAgent(https, proxyUrl) };
      // Requests under way, watches included, end in their own time.
      void old?.agent.close().catch(() => {});
    }
    const headers: Record<string, string> = {};
    // A token file ends in a line end, which a header must not.
    for (const [name, value] of Object.entries(https.headers ?? {})) headers[name.toLowerCase()] = String(value).trim();
    if (typeof https.auth === 'string') {
      headers.authorization = `Basic ${Buffer.from(https.auth).toString('base64')}`;
    }
    return { dispatcher: dispatcher.agent, headers };
  };

  return {
    origin: url.origin,
    basePath: url.pathname.replace(/\/$/, ''),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace ?? 'default',
    credentials: () => {
      const now = monotonicOf(options.clock);
      if (known === undefined || now - known.at >= rereadMs) {
        const credentials = read();
        known = { at: now, credentials };
        // A failed read (a file in the middle of being replaced) is not kept.
        credentials.catch(() => {
          if (known?.credentials === credentials) known = undefined;
        });
      }
      return known.credentials;
    },
    renew: () => {
      known = undefined;
      // The library reads token files once a minute by the time of the day, and kubeconfigs once.
      try {
        config = loadConfig(options);
      } catch {
        // A file in the middle of being replaced: what was read before still stands.
      }
    },
    close: async () => {
      await dispatcher?.agent.destroy();
    },
  };
}

function loadConfig(options: ConnectionOptions): KubeConfig {
  const config = new KubeConfig();
  if (options.kubeconfig !== undefined) config.loadFromFile(options.kubeconfig);
  else config.loadFromDefault();
  if (options.context !== undefined) {
    if (config.getContextObject(options.context) === null) {
      const message = `the kubeconfig has no context "${options.context}"; it has ${contextNames(config)}`;
      throw new KubeconfigFault('NoContext', message);
    }
    config.setCurrentContext(options.context);
  }
  const { name, user } = config.getContextObject(config.getCurrentContext()) ?? {};
  // The library would take the cluster's certificates for nobody's, too.
  if (user && config.getUser(user) === null) {
    throw new KubeconfigFault('NoUser', `context "${name}" is for user "${user}", whom the kubeconfig does not have`);
  }
  return config;
}

/** Of a program that the kubeconfig signs in by, or a file that it names: what it left, in one line. */
function noCredentials(error: unknown): never {
  const { code, message } = error as NodeJS.ErrnoException;
  const line = message.split('\n').find((text) => text.trim() !== '') ?? code ?? 'no reason was given';
  throw new KubeconfigFault('NoCredentials', line.trim());
}

/** The library's answer when it found nothing: a made-up user, and the port that the API server once had without TLS. */
const isNoCluster = (config: KubeConfig): boolean =>
  config.getCurrentCluster()?.server === 'http://localhost:8080' && config.getCurrentUser()?.name === 'user';

const contextNames = (config: KubeConfig): string =>
  config
    .getContexts()
    .map((context) => `"${context.name}"`)
    .join(', ') || 'none';

/** Of a file in the middle of being replaced, or of a broken one: what was read before still stands. @throws where nothing was */
const lastSound = () => {
  let sound: RequestOptions['ca'];
  return (https: RequestOptions): void => {
    const { ca } = https;
    if (ca === undefined) return;
    if (holdsCertificates(String(ca))) sound = ca;
    else if (sound === undefined) {
      throw new Error(
        'what the kubeconfig or the service account has as certificate authority holds no certificates as PEM',
      );
    } else https.ca = sound;
  };
};

const tlsFields = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'servername', 'rejectUnauthorized'] as const;

function tlsHash(https: RequestOptions): string {
  const hash = createHash('sha256');
  for (const field of tlsFields) {
    const value = https[field];
    hash
      .update(field)
      .update(Buffer.isBuffer(value) || typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
  }
  return hash.digest('base64');
}

function createAgent(https: RequestOptions, proxyUrl: string | undefined): Dispatcher {
  const tls = Object.fromEntries(tlsFields.filter((f) => https[f] !== undefined).map((f) => [f, https[f]]));
  const connect = { ...tls, timeout: 10_000, keepAlive: true };
  // The limits of a request are set by the client per call; a watch has none here.
  const common = { ...http1, keepAliveTimeout: 60_000, headersTimeout: 0, bodyTimeout: 0, connections: null };
  if (proxyUrl === undefined) return new Agent({ ...common, connect });
  if (!/^https?:/.test(proxyUrl)) throw new Error(`proxy-url ${proxyUrl}: only http and https proxies are supported`);
  return new ProxyAgent({ ...common, uri: proxyUrl, requestTls: { ...connect, ...http1 } });
}
