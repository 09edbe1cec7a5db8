import { createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { type KubeConfig, PortForward } from '@kubernetes/client-node';

/** A port of this computer that leads to a port of a pod, through the API server. */
export interface ForwardedPort {
  readonly port: number;
  /** What the API server or the kubelet last said is wrong, if anything. */
  trouble(): string | undefined;
  close(): void;
}

/**
 * Listens on a free port of the loopback address; each connection is a stream of its own to the pod.
 * @param port of the pod
 * @throws when no port can be opened
 */
export async function forwardPort(
  config: KubeConfig,
  pod: { readonly namespace: string; readonly name: string },
  port: number,
  localPort = 0,
): Promise<ForwardedPort> {
  const forward = new PortForward(config);
  const sockets = new Set<Socket>();
  let trouble: string | undefined;
  const server = createServer((socket) => {
    sockets.add(socket);
    const complaints = new PassThrough();
    complaints.on('data', (chunk: Buffer) => {
      trouble = chunk.toString('utf8').trim() || trouble;
      socket.destroy();
    });
    socket.on('error', () => socket.destroy());
    const opened = forward.portForward(pod.namespace, pod.name, [port], socket, complaints, socket);
    opened.then(
      (stream) => {
        const tunnel = (typeof stream === 'function' ? stream() : stream) ?? undefined;
        tunnel?.addEventListener('close', () => socket.destroy());
        socket.on('close', () => {
          sockets.delete(socket);
          tunnel?.close();
        });
      },
      (error: unknown) => {
        trouble = saidBy(error);
        socket.destroy();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(localPort, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port of the loopback address is free');
  return {
    port: address.port,
    trouble: () => trouble,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The library hands on the WebSocket's error event: what the server answered instead of switching protocols. */
function saidBy(error: unknown): string {
  const { message, error: inner } = error as { readonly message?: string; readonly error?: Error };
  return message ?? inner?.message ?? String(error);
}
