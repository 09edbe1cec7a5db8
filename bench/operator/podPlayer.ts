import type { KubeApi } from '../../cluster/kubeApi.ts';

interface Played {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly generation?: number };
  readonly spec: {
    readonly replicas?: number;
    readonly accessModes?: readonly string[];
    readonly resources?: { readonly requests?: unknown };
  };
  readonly status?: { readonly observedGeneration?: number; readonly phase?: string };
}

export interface PodPlayer {
  /** Patches sent so far. */
  readonly played: () => number;
  /** From now on no pod becomes ready any more. */
  hold(): void;
  stop(): Promise<void>;
}

const merge = 'application/merge-patch+json';

/**
 * Plays what a cluster with nodes would do: every Deployment's pods become ready at once, every claim becomes bound at once.
 * It answers with as little work as possible, since it shares the machine with what is measured.
 */
export function playPods(api: KubeApi): PodPlayer {
  const stopping = new AbortController();
  const pending = new Map<string, unknown>();
  let busy = 0;
  let played = 0;
  let isHeld = false;

  const pump = () => {
    for (const [path, body] of pending) {
      if (busy >= 8 || stopping.signal.aborted) return;
      pending.delete(path);
      busy++;
      void api
        .request('PATCH', path, body, merge)
        .then(({ status }) => {
          if (status < 300) played++;
          else if (status !== 404) pending.set(path, body);
        })
        .catch(() => pending.set(path, body))
        .finally(() => {
          busy--;
          pump();
        });
    }
  };
  const play = (path: string, status: unknown) => {
    pending.set(path, { status });
    pump();
  };

  const watches = [
    api.watch(
      '/apis/apps/v1/deployments',
      ({ type, object }) => {
        if (isHeld || (type !== 'ADDED' && type !== 'MODIFIED')) return;
        const { metadata, spec, status } = object as unknown as Played;
        if (status?.observedGeneration === metadata.generation) return;
        const replicas = spec.replicas ?? 1;
        const at = new Date().toISOString().replace(/\.\d+/, '');
        const condition = (kind: string, reason: string) => ({
          ...{ type: kind, status: 'True', reason, message: 'played by the benchmark' },
          ...{ lastUpdateTime: at, lastTransitionTime: at },
        });
        play(`/apis/apps/v1/namespaces/${metadata.namespace}/deployments/${metadata.name}/status`, {
          observedGeneration: metadata.generation,
          ...{ replicas, updatedReplicas: replicas, readyReplicas: replicas, availableReplicas: replicas },
          conditions: [
            condition('Available', 'MinimumReplicasAvailable'),
            condition('Progressing', 'NewReplicaSetAvailable'),
          ],
        });
      },
      stopping.signal,
    ),
    api.watch(
      '/api/v1/persistentvolumeclaims',
      ({ type, object }) => {
        if (type !== 'ADDED' && type !== 'MODIFIED') return;
        const { metadata, spec, status } = object as unknown as Played;
        if (status?.phase === 'Bound') return;
        play(`/api/v1/namespaces/${metadata.namespace}/persistentvolumeclaims/${metadata.name}/status`, {
          ...{ phase: 'Bound', accessModes: spec.accessModes, capacity: spec.resources?.requests },
        });
      },
      stopping.signal,
    ),
  ];
  return {
    played: () => played,
    hold: () => {
      isHeld = true;
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(watches);
    },
  };
}
