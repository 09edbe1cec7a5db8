import { type RunOptions, run } from '../cluster/process.ts';

/** kubectl and helm, pointed at one cluster. */
export interface Kubectl {
  /** Runs kubectl and answers its output. @throws CommandFailed with what kubectl said */
  (args: readonly string[], options?: RunOptions): Promise<string>;
  readonly helm: (args: readonly string[], options?: RunOptions) => Promise<string>;
  /** One object as JSON; undefined when it does not exist. */
  get<T = Record<string, unknown>>(namespace: string, kind: string, name: string): Promise<T | undefined>;
  /** Applies objects as a person would with `kubectl apply -f -`. */
  apply(objects: readonly unknown[]): Promise<void>;
  /** The decoded data of a Secret. */
  secret(namespace: string, name: string): Promise<Record<string, string>>;
}

/** Which cluster the commands go to. */
export interface Target {
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** @param tools paths of the two programs */
export function kubectlFor(tools: { readonly kubectl: string; readonly helm: string }, target: Target): Kubectl {
  const env = target.kubeconfig === undefined ? {} : { KUBECONFIG: target.kubeconfig };
  const toCluster = (options: RunOptions = {}): RunOptions => ({ ...options, env: { ...env, ...options.env } });
  const kubectl = (args: readonly string[], options?: RunOptions) =>
    run(
      tools.kubectl,
      [...(target.context === undefined ? [] : ['--context', target.context]), ...args],
      toCluster(options),
    );
  const helm = (args: readonly string[], options?: RunOptions) =>
    run(
      tools.helm,
      [...(target.context === undefined ? [] : ['--kube-context', target.context]), ...args],
      toCluster(options),
    );
  return Object.assign(kubectl, {
    helm,
    get: async <T>(namespace: string, kind: string, name: string) => {
      const text = await kubectl(['-n', namespace, 'get', kind, name, '-o', 'json', '--ignore-not-found']);
      return text === '' ? undefined : (JSON.parse(text) as T);
    },
    apply: async (objects: readonly unknown[]) => {
      const items = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
      await kubectl(['apply', '-f', '-'], { input: items });
    },
    secret: async (namespace: string, name: string) => {
      const text = await kubectl(['-n', namespace, 'get', 'secret', name, '-o', 'json']);
      const { data = {} } = JSON.parse(text) as { data?: Record<string, string> };
      return Object.fromEntries(Object.entries(data).map(([k, v]) => [k, Buffer.from(v, 'base64').toString()]));
    },
  });
}
