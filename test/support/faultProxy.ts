import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readKubeconfig } from '../../cluster/kubeconfig.ts';

/** One request as it came in. */
export interface Proxied {
  readonly method: string;
  readonly url: URL;
  readonly isWatch: boolean;
  readonly isWrite: boolean;
  /** Milliseconds, monotonic. */
  readonly at: number;
}

export type Fault =
  /** An answer that the API server never gave. */
  | { readonly answer: number; readonly body?: unknown; readonly headers?: Record<string, string> }
  /** The connection ends before the API server hears of it, or after it acted but before the answer. */
  | { readonly cut: 'before' | 'after' }
  /** It reaches the API server so much later. */
  | { readonly delayMs: number }
  /** Nothing ever comes back. */
  | { readonly hang: true }
  /** Another query reaches the API server. */
  | { readonly query: Readonly<Record<string, string>> };

export interface FaultProxy extends AsyncDisposable {
  /** Leads through the proxy. */
  readonly kubeconfig: string;
  readonly requests: Proxied[];
  /** What befalls a request; undefined: nothing. */
  fault: (request: Proxied) => Fault | undefined;
  /** Ends all connections now, watches included. */
  cut(): void;
  /** From now on nothing arrives any more on the watches that are open; their connections stay. */
  silence(): void;
  /** While true, new connections are ended at once. */
  down: boolean;
  /** Writes so far. */
  readonly writes: () => number;
}

/**
 * An HTTP proxy before a real API server, which does what networks and overloaded servers do. Clients talk plain HTTP to
 * it on the loopback interface; it has the administrator's rights, or those of the kubeconfig given.
 */
export async function startFaultProxy(kubeconfig: string): Promise<FaultProxy> {
  const access = readKubeconfig(kubeconfig);
  const agent = new Agent({ keepAlive: true });
  const upstream = {
    agent,
    ca: access.caPem,
    ...(access.certPem === undefined ? {} : { cert: access.certPem, key: access.keyPem }),
  };
  const sockets = new Set<Socket>();
  const streams = new Set<{ readonly from: IncomingMessage; readonly to: ServerResponse }>();
  const timers = new Set<NodeJS.Timeout>();
  const dir = mkdtempSync(join(tmpdir(), 'fault-proxy-'));

  const forward = (incoming: IncomingMessage, response: ServerResponse, url: URL, fault: Fault | undefined) => {
    const { host: _, connection: __, ...headers } = incoming.headers;
    if (access.token !== undefined) headers.authorization = `Bearer ${access.token}`;
    const outgoing = httpsRequest(url, { ...upstream, method: incoming.method ?? 'GET', headers }, (answer) => {
      if (fault !== undefined && 'cut' in fault) {
        answer.resume();
        response.destroy();
        return;
      }
      const { 'transfer-encoding': ___, connection: ____, ...kept } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, kept);
      response.flushHeaders();
      const stream = { from: answer, to: response };
      if (url.searchParams.has('watch')) streams.add(stream);
      answer.pipe(response);
      answer.once('error', () => response.destroy());
      response.once('close', () => {
        streams.delete(stream);
        outgoing.destroy();
      });
    });
    outgoing.once('error', () => response.destroy());
    incoming.pipe(outgoing);
  };

  const server = createServer((incoming, response) => {
    const url = new URL(incoming.url ?? '/', access.url);
    const method = incoming.method ?? 'GET';
    const isWatch = url.searchParams.has('watch');
    const isWrite = method !== 'GET' && !url.searchParams.has('dryRun');
    const request: Proxied = { method, url, isWatch, isWrite, at: performance.now() };
    proxy.requests.push(request);
    const fault = proxy.fault(request);
    if (fault === undefined) return forward(incoming, response, url, fault);
    if ('answer' in fault) {
      incoming.resume();
      response.writeHead(fault.answer, { 'content-type': 'application/json', ...fault.headers });
      response.end(typeof fault.body === 'string' ? fault.body : JSON.stringify(fault.body ?? {}));
    } else if ('delayMs' in fault) {
      const timer = setTimeout(() => {
        timers.delete(timer);
        forward(incoming, response, url, undefined);
      }, fault.delayMs);
      timers.add(timer);
    } else if ('query' in fault) {
      for (const [name, value] of Object.entries(fault.query)) url.searchParams.set(name, value);
      forward(incoming, response, url, undefined);
    } else if ('cut' in fault) {
      if (fault.cut === 'before') response.destroy();
      else forward(incoming, response, url, fault);
    } else incoming.resume();
  });
  server.on('connection', (socket: Socket) => {
    if (proxy.down) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const path = join(dir, 'kubeconfig');
  const { port } = server.address() as AddressInfo;
  writeFileSync(
    path,
    JSON.stringify({
      clusters: [{ name: 'proxy', cluster: { server: `http://127.0.0.1:${port}` } }],
      users: [{ name: 'proxy', user: {} }],
      contexts: [{ name: 'proxy', context: { cluster: 'proxy', user: 'proxy' } }],
      'current-context': 'proxy',
    }),
  );

  const proxy: FaultProxy = {
    kubeconfig: path,
    requests: [],
    fault: () => undefined,
    down: false,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    silence: () => {
      for (const { from, to } of streams) {
        from.unpipe(to);
        from.resume();
      }
    },
    writes: () => proxy.requests.filter((r) => r.isWrite).length,
    [Symbol.asyncDispose]: async () => {
      for (const timer of timers) clearTimeout(timer);
      proxy.cut();
      server.close();
      await once(server, 'close');
      agent.destroy();
      rmSync(dir, { recursive: true });
    },
  };
  return proxy;
}
