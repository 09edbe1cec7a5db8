import type { TestProject } from 'vitest/node';
import { type ClusterInfo, startCluster } from '../../cluster/cluster.ts';
import { ensureTools } from '../../cluster/tools.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The run's cluster; `accessCluster(inject('cluster'))` gives the ways into it. */
    cluster: ClusterInfo;
    /** Paths of kubectl and helm. */
    clients: { readonly kubectl: string; readonly helm: string; readonly helm3: string };
  }
}

/** One cluster with a node for the run, with this repository's images on it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const clients = await ensureTools(['kubectl', 'helm', 'helm3'], 'to run the end-to-end tests');
  const cluster = await startCluster();
  const { kubeconfig, dir, runDir, nsenterPid, nodeAddress, auditLog } = cluster;
  project.provide('cluster', { kubeconfig, dir, runDir, nsenterPid, nodeAddress, auditLog });
  project.provide('clients', clients);
  return () => cluster.stop();
}
