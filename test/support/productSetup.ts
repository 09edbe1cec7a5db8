import type { TestProject } from 'vitest/node';
import { accessCluster } from '../../cluster/cluster.ts';
import { kubectlFor } from '../../demo/kubectl.ts';
import { installProduct, sampleObjects, waitForCondition } from '../../demo/product.ts';
import { reachEmbedded } from '../../demo/reach.ts';

/** Namespaces that the run's operator looks after; each test file has its own. */
export const productNamespaces = [
  'e2e-settled',
  'e2e-seats',
  'e2e-stale',
  'e2e-rotation',
  'e2e-life',
  'e2e-faults',
  'e2e-extras',
  'e2e-access',
  'e2e-volume',
  'e2e-kubectl',
  'e2e-backup',
  'e2e-any-user',
  'e2e-story',
  'e2e-story-new',
  'first-steps',
] as const;

declare module 'vitest' {
  interface ProvidedContext {
    /** A licence server that nobody touches, and since when it has been ready, in ms. */
    settled: { readonly namespace: string; readonly name: string; readonly sinceMs: number };
  }
}

/** Installs the operator and the authority on the run's cluster, with Helm, as a platform team would. */
export default async function setup(project: TestProject): Promise<void> {
  const { cluster: info, clients } = project.getProvidedContext();
  const cluster = accessCluster(info);
  const kubectl = kubectlFor(clients, { kubeconfig: info.kubeconfig });
  const vendor = await installProduct({
    kubectl,
    reach: reachEmbedded(cluster, kubectl),
    images: {
      operator: 'localhost/licence-operator:dev',
      server: 'localhost/licence-server:dev',
      authority: 'localhost/licence-authority:dev',
    },
    namespaces: productNamespaces,
    say: (line) => process.stderr.write(`» ${line}\n`),
  });
  const quiet = { namespace: 'e2e-settled', name: 'quiet' };
  const { key } = await vendor.issue({ organisation: 'Test Ltd', product: 'erp', seatLimit: 1 });
  await kubectl.apply(await sampleObjects({ ...quiet, vendor, key }));
  await waitForCondition(kubectl, quiet, 'Ready', 180);
  project.provide('settled', { ...quiet, sinceMs: Date.now() });
}
