import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Clock, sleep, systemClock } from './clock.ts';
import type { Http } from './http.ts';

/** What has to be known of a server from its first connection on, so that it can end them all in good order. */
export class Drain {
  /** From when it is set, each answer is the last one of its connection. */
  begun = false;
  readonly #sockets = new Set<Socket>();
  /** The class of answers for `http.createServer`. */
  readonly Response: typeof ServerResponse<IncomingMessage>;

  constructor() {
    const drain = this;
    this.Response = class extends ServerResponse<IncomingMessage> {
      // every answer's head goes through here, also that of a request which was under way before
      override writeHead(...args: never[]): this {
        if (drain.begun) this.shouldKeepAlive = false; // sends `Connection: close`
        return (super.writeHead as (...args: never[]) => this)(...args);
      }
    };
  }

  follow(server: Http['server']): void {
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** Ends connections on which nothing ever came: Node takes them for busy ones. */
  endUnused(): void {
    for (const socket of this.#sockets) if (socket.bytesRead === 0) socket.destroy();
  }
}

const drains = new WeakMap<Http, Drain>();

/** Has `closeHttp` know the server; `createHttp` does it. */
export function drainWith(http: Http, drain: Drain): void {
  drains.set(http, drain);
  drain.follow(http.server);
}

export interface ClosingOptions {
  /** How long it goes on serving before it stops listening, while others learn that it is going; default 0 ms. */
  readonly delayMs?: number;
  /** How long requests under way may take after that before their connections are cut; default 3,000 ms. */
  readonly patienceMs?: number;
  /** Called when the delay is over, to answer those who wait for something. */
  readonly beforeClose?: () => void;
  /** Of the delay. */
  readonly clock?: Clock;
}

const sweepMs = 20;
/** A connection of which nothing has been read by now was opened in advance, by a browser for instance. */
const unusedMs = 200;

/**
 * Ends a server without failing a request: from now on each answer ends its connection (`Connection: close`), so that
 * clients with kept connections go elsewhere; after the delay it stops listening, answers what is under way, and closes
 * each connection that has nothing more to say.
 */
export async function closeHttp(http: Http, options: ClosingOptions = {}): Promise<void> {
  const { delayMs = 0, patienceMs = 3_000, beforeClose, clock = systemClock } = options;
  const drain = drains.get(http);
  if (drain) drain.begun = true;
  if (delayMs > 0) await sleep(clock, delayMs);
  beforeClose?.();
  const closingAt = performance.now();
  // Node closes idle connections once; one whose answer was on its way then would stay until its client lets go
  const sweep = setInterval(() => {
    const passedMs = performance.now() - closingAt;
    if (passedMs > patienceMs) http.server.closeAllConnections();
    else http.server.closeIdleConnections();
    if (passedMs > unusedMs) drain?.endUnused();
  }, sweepMs);
  try {
    await http.close();
  } finally {
    clearInterval(sweep);
  }
}
