import { getCACertificates } from 'node:tls';
import { type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { http1 } from './http1.ts';
import { type Env, proxiesOf } from './silence.ts';

export interface OutwardOptions {
  /** PEM certificates of own authorities, believed beside all that Node believes anyway (the system's with `--use-system-ca`). */
  readonly ca?: string | undefined;
  /** For the connection, in ms. */
  readonly connectMs: number;
  /** For the head and for each part of the body, in ms. */
  readonly answerMs?: number;
  readonly keepAliveMs?: number;
  /** In bytes. */
  readonly longestAnswer?: number;
}

/**
 * The way out of this network: through the proxy that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, in
 * either case), if it names one.
 * @throws Error naming the variable, never its value, when it is no URL
 */
export function createOutwardAgent(options: OutwardOptions): Dispatcher {
  checkProxies(process.env);
  const { ca, connectMs, answerMs, keepAliveMs, longestAnswer } = options;
  // A list replaces the default one: it has to hold it.
  const trust = ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] };
  const tls = { ...http1, ...trust, timeout: connectMs };
  return new EnvHttpProxyAgent({
    ...http1,
    ...proxiesIn(process.env),
    connect: tls,
    requestTls: tls,
    proxyTls: tls,
    ...(answerMs === undefined ? {} : { headersTimeout: answerMs, bodyTimeout: answerMs }),
    ...(keepAliveMs === undefined ? {} : { keepAliveTimeout: keepAliveMs }),
    ...(longestAnswer === undefined ? {} : { maxResponseSize: longestAnswer }),
  });
}

/** An empty variable is none, also where undici takes it for one that hides the other spelling. */
function proxiesIn(env: Env): { httpProxy?: string; httpsProxy?: string; noProxy?: string } {
  const httpProxy = env.http_proxy || env.HTTP_PROXY;
  const httpsProxy = env.https_proxy || env.HTTPS_PROXY;
  const noProxy = env.no_proxy || env.NO_PROXY;
  return {
    ...(httpProxy ? { httpProxy } : {}),
    ...(httpsProxy ? { httpsProxy } : {}),
    ...(noProxy ? { noProxy } : {}),
  };
}

function checkProxies(env: Env): void {
  for (const name of proxiesOf(env)) {
    const protocol = URL.canParse(env[name] ?? '') ? new URL(env[name] ?? '').protocol : '';
    if (!['http:', 'https:'].includes(protocol)) {
      throw new Error(
        `${name} is no URL of a proxy such as http://proxy.example.org:3128 (a password percent-encoded)`,
      );
    }
  }
}

/** Whether a text holds certificates as PEM. */
export const holdsCertificates = (pem: string): boolean =>
  /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.test(pem);
