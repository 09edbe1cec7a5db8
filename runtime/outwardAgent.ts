import { BlockList, isIP } from 'node:net';
import { getCACertificates } from 'node:tls';
import { Agent, Dispatcher, EnvHttpProxyAgent } from 'undici';
import { http1 } from './http1.ts';
import { proxyFault } from './proxyUrl.ts';
import { type Env, proxiesOf } from './silence.ts';

export interface OutwardOptions {
  /** PEM certificates of own authorities, believed beside all that Node believes anyway (the system's with `--use-system-ca`). */
  readonly ca?: string | undefined;
  /** URL of a proxy for all that goes out, in the place of those of the environment. */
  readonly proxy?: string | undefined;
  /** Hosts and networks besides those of `NO_PROXY`. */
  readonly noProxy?: readonly string[] | undefined;
  /** For the connection, in ms. */
  readonly connectMs: number;
  /** For the head and for each part of the body, in ms. */
  readonly answerMs?: number;
  readonly keepAliveMs?: number;
  /** In bytes. */
  readonly longestAnswer?: number;
}

/**
 * The way out of this network: through the proxy that is given, or that the environment names (`HTTPS_PROXY`, `HTTP_PROXY`,
 * in either case), if any; past it for what `NO_PROXY` names. The API server of the cluster that this runs in is always inside.
 * @throws Error naming the variable, never its value, when it is no URL
 */
export function createOutwardAgent(options: OutwardOptions): Dispatcher {
  if (options.proxy === undefined) checkProxies(process.env);
  const { ca, connectMs, answerMs, keepAliveMs, longestAnswer } = options;
  // A list replaces the default one: it has to hold it.
  // What is given is believed as it is, also where it is no root: the certificate itself, or a part of the way to its root.
  const trust = ca === undefined ? {} : { ca: [...getCACertificates('default'), ca], allowPartialTrustChain: true };
  const tls = { ...http1, ...trust, timeout: connectMs };
  const common = {
    ...http1,
    connect: tls,
    ...(answerMs === undefined ? {} : { headersTimeout: answerMs, bodyTimeout: answerMs }),
    ...(keepAliveMs === undefined ? {} : { keepAliveTimeout: keepAliveMs }),
    ...(longestAnswer === undefined ? {} : { maxResponseSize: longestAnswer }),
  };
  const { noProxy, ...proxies } = proxiesIn(process.env, options);
  const proxied = new EnvHttpProxyAgent({ ...common, ...proxies, noProxy, requestTls: tls, proxyTls: tls });
  const inside = networksIn(noProxy);
  return inside === undefined ? proxied : new PastNetworks(inside, new Agent(common), proxied);
}

/** An empty variable is none, also where undici takes it for one that hides the other spelling. */
function proxiesIn(
  env: Env,
  { proxy, noProxy: more = [] }: Pick<OutwardOptions, 'proxy' | 'noProxy'>,
): { httpProxy?: string; httpsProxy?: string; noProxy: string } {
  const httpProxy = proxy ?? (env.http_proxy || env.HTTP_PROXY);
  const httpsProxy = proxy ?? (env.https_proxy || env.HTTPS_PROXY);
  const given = [env.no_proxy || env.NO_PROXY, ...more, env.KUBERNETES_SERVICE_HOST];
  return {
    ...(httpProxy ? { httpProxy } : {}),
    ...(httpsProxy ? { httpsProxy } : {}),
    noProxy: given.filter((one) => one).join(','),
  };
}

function checkProxies(env: Env): void {
  for (const name of proxiesOf(env)) {
    const fault = proxyFault(env[name] ?? '');
    if (fault !== undefined) throw new Error(`${name} ${fault}`);
  }
}

/** The networks of a `NO_PROXY` (`10.0.0.0/8`), which undici takes for names of hosts; undefined: there are none. */
function networksIn(noProxy: string): BlockList | undefined {
  const found = new BlockList();
  for (const entry of noProxy.split(/[,\s]+/)) {
    const [, address = '', length = ''] = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(entry) ?? [];
    const family = isIP(address);
    if (family === 0 || Number(length) > (family === 4 ? 32 : 128)) continue;
    found.addSubnet(address, Number(length), family === 4 ? 'ipv4' : 'ipv6');
  }
  return found.rules.length === 0 ? undefined : found;
}

/** Goes straight to addresses in certain networks. A name is not looked up for that: its address is the proxy's to know. */
class PastNetworks extends Dispatcher {
  readonly #inside: BlockList;
  readonly #straight: Agent;
  readonly #proxied: EnvHttpProxyAgent;

  constructor(inside: BlockList, straight: Agent, proxied: EnvHttpProxyAgent) {
    super();
    this.#inside = inside;
    this.#straight = straight;
    this.#proxied = proxied;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const host = new URL(String(options.origin)).hostname.replace(/^\[|\]$/g, '');
    const family = isIP(host);
    const isInside = family !== 0 && this.#inside.check(host, family === 4 ? 'ipv4' : 'ipv6');
    return (isInside ? this.#straight : this.#proxied).dispatch(options, handler);
  }

  override async close(): Promise<void> {
    await Promise.all([this.#straight.close(), this.#proxied.close()]);
  }

  override async destroy(): Promise<void> {
    await Promise.all([this.#straight.destroy(), this.#proxied.destroy()]);
  }
}
