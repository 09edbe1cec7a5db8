import type { TestProject } from 'vitest/node';
import { accessCluster } from '../../cluster/cluster.ts';
import { kubectlFor } from '../../demo/kubectl.ts';
import { installProduct } from '../../demo/product.ts';
import { reachEmbedded } from '../../demo/reach.ts';

/** Namespaces that the run's operator looks after; each test file has its own. */
export const productNamespaces = ['e2e-seats', 'e2e-stale', 'e2e-rotation', 'e2e-life', 'e2e-faults'] as const;

/** Installs the operator and the authority on the run's cluster, with Helm, as a platform team would. */
export default async function setup(project: TestProject): Promise<void> {
  const { cluster: info, clients } = project.getProvidedContext();
  const cluster = accessCluster(info);
  const kubectl = kubectlFor(clients, { kubeconfig: info.kubeconfig });
  await installProduct({
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
}
