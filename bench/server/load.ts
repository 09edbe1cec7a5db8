import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

/**
 * A load generator as a process of its own: so many connections, each with one request under way, for so many seconds.
 * Reads its job as JSON from the first argument and writes its result as JSON. It parses no more of HTTP than it must,
 * so that it takes as little as possible of the machine that it shares with what it measures.
 */
export interface LoadJob {
  readonly port: number;
  readonly token: string;
  readonly kind:
    | 'heartbeat'
    | 'checkout'
    | 'cycle'
    | 'denial'
    | 'heartbeats'
    | 'report'
    | 'metrics'
    | 'status'
    | 'explain'
    | 'relayHeartbeat'
    | 'relayCheckout';
  readonly connections: number;
  readonly seconds: number;
  /** File with one lease id (or node, for a relay) a line, for the heartbeats. */
  readonly leaseFile?: string;
  /** Items in one call of `heartbeats` and `report`. */
  readonly items?: number;
  /** Of `report`: with an instance, and names that are spelled otherwise each time. */
  readonly spelled?: boolean;
}
export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Requests from the first to the last, the warm-up included. */
  readonly requests: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
}

/** Until V8 has compiled what a case runs; the same for every contestant. */
const warmUpMs = 1_000;

/** A request, a character a byte. */
type Next = (connection: number, lastBody: string) => string;

function requests(job: LoadJob): Next {
  const head = (method: string, path: string) =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${job.token}\r\n`;
  const withBody = (method: string, path: string, body: string) =>
    `${head(method, path)}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  const run = randomUUID().slice(0, 8);
  let n = 0;
  const checkOutHead = `${head('POST', '/v1/checkouts')}Content-Type: application/json\r\nContent-Length: `;
  const asked = () =>
    `{"product":"erp","mode":"leased","holder":{"base":"base${n % 100}","user":"${run}-${n++}","host":"pc-17","session":""}}`;
  const checkOut = () => {
    const body = asked();
    return `${checkOutHead}${body.length}\r\n\r\n${body}`;
  };
  const leases = job.leaseFile === undefined ? [] : readFileSync(job.leaseFile, 'utf8').trim().split('\n');
  const lease = () => leases[n++ % leases.length] ?? '';
  const items = job.items ?? 1;
  switch (job.kind) {
    case 'metrics':
      return () => `${head('GET', '/metrics')}\r\n`;
    case 'status':
      return () => `${head('GET', '/v1/status')}\r\n`;
    case 'explain':
      return () => withBody('POST', '/v1/checkouts:explain', asked());
    case 'heartbeat': {
      shuffle(leases); // holders beat on their own, not in the order of their check-outs
      const end = head('POST', '').slice('POST '.length);
      return () => `POST /v1/leases/${lease()}/heartbeat${end}Content-Length: 0\r\n\r\n`;
    }
    case 'heartbeats': {
      // made beforehand: the generator is not what is measured
      const calls = Array.from({ length: Math.max(1, Math.floor(leases.length / items)) }, () =>
        withBody('POST', '/v1/heartbeats', JSON.stringify({ leaseIds: Array.from({ length: items }, lease) })),
      );
      return () => calls[n++ % calls.length] ?? '';
    }
    case 'report': {
      // of a spelled one two bodies a base, in turn: neither finds the names as they were last written
      const users = job.spelled ? ['Сотрудник Ёжиков', 'СОТРУДНИК Е\u0308ЖИКОВ'] : ['user'];
      const bodies = users.map((user) => {
        const sessions = Array.from({ length: items }, (_, i) => ({
          product: 'erp',
          user: `${user}-${i}`,
          host: 'pc-17',
        }));
        return (instance?: string) => JSON.stringify({ sessions, instance });
      });
      const calls = Array.from({ length: job.connections }, (_, i) => {
        const instance = job.spelled ? randomUUID() : undefined;
        return bodies
          .map((body) => withBody('PUT', `/v1/bases/${run}-${i}/sessions`, body(instance)))
          .map((request) => Buffer.from(request).toString('latin1'));
      });
      return (connection) => {
        const own = calls[connection] ?? [];
        return own[n++ % own.length] ?? '';
      };
    }
    case 'cycle':
      return (_, last) => {
        const id = last.startsWith('{"leaseId":"') ? last.slice(12, 48) : '';
        return id === '' ? checkOut() : `${head('DELETE', `/v1/leases/${id}`)}\r\n`;
      };
    case 'relayHeartbeat':
      return () => `${head('PUT', `/v1/nodes/${lease()}`)}Content-Length: 0\r\n\r\n`;
    case 'relayCheckout':
      return () => `${head('PUT', `/v1/nodes/${run}-${n++}`)}Content-Length: 0\r\n\r\n`;
    default:
      return checkOut;
  }
}

/** The same order each time, but no order of rows on pages. */
function shuffle(items: string[]): void {
  let seed = 1;
  for (let i = items.length - 1; i > 0; i--) {
    seed = (seed * 48_271) % 2_147_483_647;
    const other = seed % (i + 1);
    [items[i], items[other]] = [items[other] ?? '', items[i] ?? ''];
  }
}

/** Bytes of the body behind a head that ends at `end`. */
function lengthOf(text: string, end: number): number {
  const head = text.slice(0, end).toLowerCase();
  const at = head.indexOf('content-length: ');
  return at < 0 ? 0 : Number.parseInt(head.slice(at + 16, at + 26), 10);
}

function run(job: LoadJob): Promise<LoadResult> {
  const next = requests(job);
  const statuses: Record<string, number> = {};
  const hundredths = new Uint32Array(1_000_000); // of a hundredth of a millisecond
  let count = 0;
  let requestCount = 0;
  let maxMs = 0;
  let measuring = false;
  let stopped = false;
  const sockets: Socket[] = [];
  const buffer = Buffer.allocUnsafe(1 << 16);
  const open = (index: number) => {
    const socket = connect({
      port: job.port,
      host: '127.0.0.1',
      noDelay: true,
      // one buffer for all: an answer is read as it comes, without a stream's bookkeeping
      onread: { buffer, callback: (bytes) => arrived(buffer.toString('latin1', 0, bytes)) },
    });
    sockets.push(socket);
    let sentAt = 0;
    let text = '';
    let whole = 0; // length of the answer, once its head is known
    const send = (last: string) => {
      sentAt = performance.now();
      requestCount += 1;
      socket.write(next(index, last), 'latin1');
    };
    socket.on('connect', () => send(''));
    socket.on('close', () => {
      if (!stopped) statuses.closed = (statuses.closed ?? 0) + 1;
    });
    socket.on('error', () => {}); // told by its closing
    const arrived = (chunk: string): boolean => {
      text = text === '' ? chunk : text + chunk;
      if (whole === 0) {
        const end = text.indexOf('\r\n\r\n');
        if (end < 0) return true;
        whole = end + 4 + lengthOf(text, end);
      }
      if (text.length < whole) return true;
      const status = text.slice(9, 12);
      const body = job.kind === 'cycle' ? text.slice(text.indexOf('\r\n\r\n') + 4) : '';
      text = '';
      whole = 0;
      if (measuring) {
        const ms = performance.now() - sentAt;
        count += 1;
        statuses[status] = (statuses[status] ?? 0) + 1;
        maxMs = Math.max(maxMs, ms);
        const slot = Math.min(hundredths.length - 1, Math.round(ms * 100));
        hundredths[slot] = (hundredths[slot] ?? 0) + 1;
      }
      if (!stopped) send(body);
      return true;
    };
  };
  for (let i = 0; i < job.connections; i++) open(i);
  const quantile = (q: number): number => {
    let seen = 0;
    for (let i = 0; i < hundredths.length; i++) {
      seen += hundredths[i] ?? 0;
      if (seen >= count * q) return i / 100;
    }
    return Number.NaN;
  };
  return new Promise((resolve) => {
    setTimeout(() => {
      measuring = true;
      const from = performance.now();
      setTimeout(() => {
        stopped = true;
        const seconds = (performance.now() - from) / 1000;
        for (const socket of sockets) socket.destroy();
        resolve({
          perSecond: Math.round(count / seconds),
          p50Ms: quantile(0.5),
          p99Ms: quantile(0.99),
          maxMs: Math.round(maxMs * 100) / 100,
          requests: requestCount,
          statuses,
        });
      }, job.seconds * 1000);
    }, warmUpMs);
  });
}

if (process.argv[2] !== undefined) {
  process.stdout.write(JSON.stringify(await run(JSON.parse(process.argv[2]) as LoadJob)));
  process.exit(0);
}
