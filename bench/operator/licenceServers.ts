import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ServerStatus } from '../../licence/serverStatus.ts';

export interface LicenceServers {
  readonly port: number;
  /** How many of them were asked since `forget`. */
  readonly asked: () => number;
  readonly forget: () => void;
  close(): Promise<void>;
}

/** Answers for every licence server of the fleet at once: all is well, and nothing ever changes. */
export async function answerForServers(): Promise<LicenceServers> {
  const status: ServerStatus = {
    version: '0.1.0',
    startedAt: '2026-01-01T00:00:00Z',
    fingerprint: `sha256:${'0'.repeat(64)}`,
    products: [{ product: 'erp', seatLimit: 50, seatsInUse: 7, seatsStale: 0, holdersWaiting: 0 }],
    keys: [{ name: 'erp', state: 'Active', source: 'configuration', generation: 1, product: 'erp', seatLimit: 50 }],
  };
  const body = JSON.stringify(status);
  const asked = new Set<string>();
  const server = createServer((request, response) => {
    asked.add(request.headers.host ?? '');
    const known = request.url === '/v1/status';
    response.writeHead(known ? 200 : 404, { 'content-type': 'application/json' }).end(known ? body : '{}');
  });
  // As long as a licence server keeps a connection.
  server.keepAliveTimeout = 72_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    asked: () => asked.size,
    forget: () => asked.clear(),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
