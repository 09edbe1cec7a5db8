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
  readonly kind: 'heartbeat' | 'checkout' | 'cycle' | 'denial' | 'heartbeats' | 'report';
  readonly connections: number;
  readonly seconds: number;
  /** File with one lease id a line, for the heartbeats. */
  readonly leaseFile?: string;
  /** Items in one call of `heartbeats` and `report`. */
  readonly items?: number;
}
export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
}

type Next = (connection: number, lastBody: string) => string;

function requests(job: LoadJob): Next {
  const head = (method: string, path: string) =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${job.token}\r\n`;
  const withBody = (method: string, path: string, body: string) =>
    `${head(method, path)}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
  const run = randomUUID().slice(0, 8);
  let n = 0;
  const checkOut = () =>
    withBody(
      'POST',
      '/v1/checkouts',
      `{"product":"erp","mode":"leased","holder":{"base":"base${n % 100}","user":"${run}-${n++}","host":"pc-17","session":""}}`,
    );
  const leases = job.leaseFile === undefined ? [] : readFileSync(job.leaseFile, 'utf8').trim().split('\n');
  const lease = () => leases[n++ % leases.length] ?? '';
  const items = job.items ?? 1;
  switch (job.kind) {
    case 'heartbeat':
      return () => `${head('POST', `/v1/leases/${lease()}/heartbeat`)}Content-Length: 0\r\n\r\n`;
    case 'heartbeats':
      return () =>
        withBody('POST', '/v1/heartbeats', JSON.stringify({ leaseIds: Array.from({ length: items }, lease) }));
    case 'report':
      return (connection) =>
        withBody(
          'PUT',
          `/v1/bases/${run}-${connection}/sessions`,
          JSON.stringify({
            sessions: Array.from({ length: items }, (_, i) => ({ product: 'erp', user: `user-${i}`, host: 'pc-17' })),
          }),
        );
    case 'cycle':
      return (_, last) => {
        const id = last.startsWith('{"leaseId":"') ? last.slice(12, 48) : '';
        return id === '' ? checkOut() : `${head('DELETE', `/v1/leases/${id}`)}\r\n`;
      };
    default:
      return checkOut;
  }
}

function run(job: LoadJob): Promise<LoadResult> {
  const next = requests(job);
  const statuses: Record<string, number> = {};
  const tenths = new Uint32Array(100_000); // of a tenth of a millisecond
  let count = 0;
  let measuring = false;
  let stopped = false;
  const sockets: Socket[] = [];
  const open = (index: number) => {
    const socket = connect(job.port, '127.0.0.1');
    sockets.push(socket);
    socket.setNoDelay(true);
    let sentAt = 0;
    let text = '';
    const send = (last: string) => {
      sentAt = performance.now();
      socket.write(next(index, last));
    };
    socket.on('connect', () => send(''));
    socket.on('error', () => {
      if (!stopped) statuses.error = (statuses.error ?? 0) + 1;
    });
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) return;
      const at = text.toLowerCase().indexOf('content-length: ');
      const length = at < 0 || at > end ? 0 : Number.parseInt(text.slice(at + 16, at + 26), 10);
      if (text.length < end + 4 + length) return;
      const status = text.slice(9, 12);
      const body = text.slice(end + 4);
      text = '';
      if (measuring) {
        count += 1;
        statuses[status] = (statuses[status] ?? 0) + 1;
        const slot = Math.min(tenths.length - 1, Math.round((performance.now() - sentAt) * 10));
        tenths[slot] = (tenths[slot] ?? 0) + 1;
      }
      if (!stopped) send(body);
    });
  };
  for (let i = 0; i < job.connections; i++) open(i);
  const quantile = (q: number): number => {
    let seen = 0;
    for (let i = 0; i < tenths.length; i++) {
      seen += tenths[i] ?? 0;
      if (seen >= count * q) return i / 10;
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
        resolve({ perSecond: Math.round(count / seconds), p50Ms: quantile(0.5), p99Ms: quantile(0.99), statuses });
      }, job.seconds * 1000);
    }, 500);
  });
}

if (process.argv[2] !== undefined) {
  process.stdout.write(JSON.stringify(await run(JSON.parse(process.argv[2]) as LoadJob)));
  process.exit(0);
}
