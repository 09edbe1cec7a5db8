import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { join } from 'node:path';

/**
 * As much of a Kubernetes API server as `kubectl licence` needs to reach one licence server: the LicenceServer `office`, its ready pod,
 * the Secret with its tokens, and a port-forward to `port` of this computer.
 * @returns the file of a kubeconfig for it, in `dir`
 */
export async function startForwardingApi(port: number, dir: string): Promise<{ kubeconfig: string; stop(): void }> {
  const base = '/api/v1/namespaces/accounting';
  const server = { metadata: { name: 'office', namespace: 'accounting', uid: 'u' }, spec: { keys: [] }, status: {} };
  const pod = {
    metadata: { name: 'office-1', namespace: 'accounting' },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  };
  const list = (kind: string, items: readonly object[]) => ({ kind, metadata: { resourceVersion: '1' }, items });
  const objects: Readonly<Record<string, object>> = {
    '/apis/licensing.softonit.ru/v1beta1/namespaces/accounting/licenceservers/office': server,
    '/apis/licensing.softonit.ru/v1beta1/namespaces/accounting/licenceservers': list('LicenceServerList', [server]),
    '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews': { status: { allowed: true } },
    [`${base}/pods`]: list('PodList', [pod]),
    [`${base}/secrets/office-tokens`]: {
      metadata: { name: 'office-tokens', namespace: 'accounting' },
      data: { admin: Buffer.from('an-administrator').toString('base64') },
    },
  };
  const sockets = new Set<Socket>();
  const api = createServer((request, response) => {
    const found = objects[request.url?.split('?')[0] ?? ''];
    response.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(found ?? { kind: 'Status', code: 404, reason: 'NotFound', message: 'not found' }));
  });
  api.on('connection', (socket) => sockets.add(socket));
  api.on('upgrade', (request, socket) => {
    const accept = createHash('sha1').update(
      `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`,
    );
    const protocol = request.headers['sec-websocket-protocol']?.split(',')[0]?.trim();
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
    );
    forward(socket as Socket, connect(port, '127.0.0.1'));
  });
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  const kubeconfig = join(dir, 'kubeconfig');
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'c',
          cluster: {
            server: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
            'insecure-skip-tls-verify': true,
          },
        },
      ],
      users: [{ name: 'u', user: { token: 'anna' } }],
      contexts: [{ name: 'office', context: { cluster: 'c', user: 'u', namespace: 'accounting' } }],
      'current-context': 'office',
    }),
  );
  return {
    kubeconfig,
    stop: () => {
      api.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** One port-forward over a WebSocket: each message begins with its channel (0 data, 1 faults), whose first bytes are the port. */
function forward(socket: Socket, to: Socket): void {
  const end = () => {
    socket.destroy();
    to.destroy();
  };
  for (const one of [socket, to]) one.on('close', end).on('error', end);
  const send = (channel: number, data: Buffer) => socket.write(frame(Buffer.concat([Buffer.from([channel]), data])));
  send(0, Buffer.from([0x90, 0x1f]));
  send(1, Buffer.from([0x90, 0x1f]));
  to.on('data', (data) => send(0, data));
  let rest = Buffer.alloc(0);
  socket.on('data', (data) => {
    rest = Buffer.concat([rest, data]);
    for (let read = unframe(rest); read !== undefined; read = unframe(rest)) {
      rest = rest.subarray(read.length);
      if (read.opcode === 8) return end();
      if (read.opcode === 2) to.write(read.payload.subarray(1)); // behind the channel
    }
  });
}

/** A whole binary message of a server (RFC 6455, 5.2). */
function frame(payload: Buffer): Buffer {
  const head = Buffer.alloc(payload.length < 126 ? 2 : 10);
  head[0] = 0x82;
  head[1] = payload.length < 126 ? payload.length : 127;
  if (payload.length >= 126) head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}

/** The first masked frame of what a client has sent; undefined while it is not there as a whole. */
function unframe(
  bytes: Buffer,
): { readonly opcode: number; readonly payload: Buffer; readonly length: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] ?? 0) & 0x7f;
  const at = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < at + 4) return undefined;
  const size = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  const length = at + 4 + size;
  if (bytes.length < length) return undefined;
  const payload = Buffer.from(bytes.subarray(at + 4, length)).map((byte, i) => byte ^ (bytes[at + (i % 4)] ?? 0));
  return { opcode: (bytes[0] ?? 0) & 0xf, payload: Buffer.from(payload), length };
}
