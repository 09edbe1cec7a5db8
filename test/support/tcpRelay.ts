import { connect, createServer, type Socket } from 'node:net';

/**
 * pass: bytes go both ways. refuse: whoever is connected is cut off, and so is everybody new. silent: as when a machine has lost
 * its power: connections stay, no byte arrives and nobody is told.
 */
export type RelayMode = 'pass' | 'refuse' | 'silent';

export interface TcpRelay extends AsyncDisposable {
  readonly port: number;
  readonly connections: number;
  /** How many have connected so far. */
  readonly attempts: number;
  set(mode: RelayMode): void;
  /** From now on whoever connects comes to that port; who is connected stays where it is. */
  leadTo(port: number): void;
}

/** Stands between a client and a server on the loopback network. What was sent in silence is lost with its connection. */
export async function startRelay(host: string, port: number): Promise<TcpRelay> {
  let mode: RelayMode = 'pass';
  let attempts = 0;
  let target = port;
  const pairs = new Set<readonly [Socket, Socket]>();
  const silenced = new WeakSet<Socket>();
  const server = createServer((inner) => {
    attempts += 1;
    inner.on('error', () => {});
    if (mode === 'refuse') return inner.destroy();
    const outer = connect(target, host);
    outer.on('error', () => {});
    const pair = [inner, outer] as const;
    pairs.add(pair);
    const forward = (from: Socket, to: Socket) => {
      from.on('data', (bytes) => {
        if (mode === 'silent') silenced.add(inner);
        if (!silenced.has(inner)) to.write(bytes);
      });
      from.on('close', () => {
        if (from === outer && mode === 'silent') return;
        to.destroy();
        pairs.delete(pair);
      });
    };
    forward(inner, outer);
    forward(outer, inner);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
    pairs.clear();
  };
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    get connections() {
      return pairs.size;
    },
    get attempts() {
      return attempts;
    },
    leadTo: (next) => {
      target = next;
    },
    set: (next) => {
      mode = next;
      if (next === 'refuse') cut();
    },
    [Symbol.asyncDispose]: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The same address by way of the relay. */
export const throughRelay = (url: string, relay: TcpRelay): string => {
  const by = new URL(url);
  by.hostname = '127.0.0.1';
  by.port = String(relay.port);
  return by.href;
};

/** Stands before the server of a URL. */
export const relayTo = (url: string): Promise<TcpRelay> => {
  const { hostname, port } = new URL(url);
  return startRelay(hostname, Number(port));
};
