import type { TestProject } from 'vitest/node';
import { startControlPlane } from '../../cluster/controlPlane.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the administrator's kubeconfig. */
    kubeconfig: string;
    /** Path of the API server's audit log; see cluster/auditLog.ts. */
    auditLog: string;
    /** Directory of the control plane, for `userKubeconfig` and `serviceAccountKubeconfig` of cluster/kubeconfig.ts. */
    controlPlaneDir: string;
  }
}

/** One control plane for the run, shared by all test files: each uses namespaces of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const plane = await startControlPlane();
  project.provide('kubeconfig', plane.kubeconfig);
  project.provide('auditLog', plane.auditLog);
  project.provide('controlPlaneDir', plane.dir);
  return () => plane.stop();
}
