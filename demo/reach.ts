import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { ClusterAccess } from '../cluster/cluster.ts';
import type { Kubectl, Target } from './kubectl.ts';
import type { Reach } from './product.ts';

interface ServiceLike {
  readonly spec: { readonly clusterIP: string };
}

/** The address of a Service inside its cluster. @throws when there is no such Service */
export async function clusterAddress(kubectl: Kubectl, namespace: string, service: string): Promise<string> {
  const found = await kubectl.get<ServiceLike>(namespace, 'service', service);
  if (found === undefined) throw new Error(`there is no Service ${namespace}/${service}`);
  return found.spec.clusterIP;
}

/** Into an embedded cluster: a loopback port that leads to the Service's address. */
export const reachEmbedded =
  (cluster: ClusterAccess, kubectl: Kubectl): Reach =>
  async (namespace, service, port) =>
    (await cluster.forward(`${await clusterAddress(kubectl, namespace, service)}:${port}`)).url;

/**
 * Into any other cluster: `kubectl port-forward`, started again when its pod goes.
 * @param signal ends the forwarding
 */
export const reachByPortForward =
  (kubectl: string, target: Target, signal: AbortSignal): Reach =>
  (namespace, service, port) =>
    new Promise((resolve, reject) => {
      const start = (local: string, onUrl: (url: string) => void) => {
        const context = target.context === undefined ? [] : ['--context', target.context];
        const child = spawn(
          kubectl,
          [...context, '-n', namespace, 'port-forward', `service/${service}`, `${local}:${port}`],
          {
            env: { ...process.env, ...(target.kubeconfig === undefined ? {} : { KUBECONFIG: target.kubeconfig }) },
            stdio: ['ignore', 'pipe', 'pipe'],
            signal,
          },
        );
        let said = '';
        child.stderr.on('data', (text: Buffer) => {
          said += text;
        });
        createInterface({ input: child.stdout }).on('line', (line) => {
          const found = /127\.0\.0\.1:(\d+)/.exec(line)?.[1];
          if (found !== undefined) onUrl(found);
        });
        child.on('error', () => {});
        return { child, said: () => said };
      };
      let chosen: string | undefined;
      const first = start('', (found) => {
        chosen = found;
        resolve(`http://127.0.0.1:${found}`);
      });
      const again = () => {
        if (signal.aborted || chosen === undefined) return reject(new Error(first.said() || 'port-forward ended'));
        setTimeout(() => start(chosen ?? '', () => {}).child.on('exit', again), 500).unref();
      };
      first.child.on('exit', again);
    });
