import type { KubeClient } from '../../../operator/kube/client.ts';
import type { ResourceKind } from '../../../operator/kube/resourceKind.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import { eventually } from '../licenceServer/harness.ts';

/** What the usual sets of Kyverno and Gatekeeper demand, said in CEL, so that the API server itself judges by it. */
interface Demand {
  readonly message: string;
  readonly expression: string;
  /** What of a pod that does everything right it refuses. */
  readonly wrong: (pod: Pod) => void;
}

// biome-ignore lint/suspicious/noExplicitAny: a pod spec of which anything may be changed
type Pod = any;
const everyContainer = (expression: string) => `variables.containers.all(c, ${expression})`;
const context = (expression: string) => everyContainer(`has(c.securityContext) && ${expression}`);
const unsetEverywhere = (field: string) =>
  `(!has(variables.pod.securityContext) || !has(variables.pod.securityContext.${field})) && ` +
  everyContainer(`!has(c.securityContext) || !has(c.securityContext.${field})`);

const ofPods: readonly Demand[] = [
  {
    message: 'an image has a tag, and it is not latest',
    expression: everyContainer("c.image.matches('^.+(:[^/:@]+|@sha256:[0-9a-f]+)$') && !c.image.endsWith(':latest')"),
    wrong: ({ containers: [c] }) => {
      c.image = 'registry.corp.example/licence-server:latest';
    },
  },
  {
    message: 'images come from our registry',
    expression: everyContainer("c.image.startsWith('registry.corp.example/')"),
    wrong: ({ containers: [c] }) => {
      c.image = 'licence-server:1';
    },
  },
  {
    message: 'a container has requests of cpu and memory, and a limit of memory',
    expression: everyContainer(
      "has(c.resources) && has(c.resources.requests) && has(c.resources.limits) && 'cpu' in c.resources.requests && 'memory' in c.resources.requests && 'memory' in c.resources.limits",
    ),
    wrong: ({ containers: [c] }) => {
      c.resources = {};
    },
  },
  {
    message: 'the root file system is read-only',
    expression: context('has(c.securityContext.readOnlyRootFilesystem) && c.securityContext.readOnlyRootFilesystem'),
    wrong: ({ containers: [c] }) => {
      c.securityContext.readOnlyRootFilesystem = false;
    },
  },
  {
    message: 'nobody gains privileges',
    expression: context(
      'has(c.securityContext.allowPrivilegeEscalation) && !c.securityContext.allowPrivilegeEscalation && (!has(c.securityContext.privileged) || !c.securityContext.privileged)',
    ),
    wrong: ({ containers: [c] }) => {
      delete c.securityContext.allowPrivilegeEscalation;
    },
  },
  {
    message: 'every capability is dropped, and none added',
    expression: context(
      "has(c.securityContext.capabilities) && has(c.securityContext.capabilities.drop) && 'ALL' in c.securityContext.capabilities.drop && !has(c.securityContext.capabilities.add)",
    ),
    wrong: ({ containers: [c] }) => {
      c.securityContext.capabilities = { drop: ['NET_RAW'] };
    },
  },
  {
    message: 'nobody runs as root',
    expression:
      'has(variables.pod.securityContext) && has(variables.pod.securityContext.runAsNonRoot) && variables.pod.securityContext.runAsNonRoot',
    wrong: ({ securityContext }) => {
      delete securityContext.runAsNonRoot;
    },
  },
  {
    message: 'the runtime’s seccomp profile is used',
    expression:
      "has(variables.pod.securityContext.seccompProfile) && variables.pod.securityContext.seccompProfile.type == 'RuntimeDefault'",
    wrong: ({ securityContext }) => {
      delete securityContext.seccompProfile;
    },
  },
  {
    message: 'nothing of the host is used',
    expression:
      '(!has(variables.pod.volumes) || variables.pod.volumes.all(v, !has(v.hostPath))) && (!has(variables.pod.hostNetwork) || !variables.pod.hostNetwork) && (!has(variables.pod.hostPID) || !variables.pod.hostPID) && (!has(variables.pod.hostIPC) || !variables.pod.hostIPC) && ' +
      everyContainer('!has(c.ports) || c.ports.all(p, !has(p.hostPort) || p.hostPort == 0)'),
    wrong: (pod) => {
      pod.volumes = [{ name: 'host', hostPath: { path: '/' } }];
    },
  },
  {
    message: 'a temporary volume has a limit',
    expression:
      '!has(variables.pod.volumes) || variables.pod.volumes.all(v, !has(v.emptyDir) || has(v.emptyDir.sizeLimit))',
    wrong: (pod) => {
      pod.volumes = [{ name: 'temporary', emptyDir: {} }];
    },
  },
  {
    message: 'the default service account has no token in a pod',
    expression:
      "(has(variables.pod.serviceAccountName) && variables.pod.serviceAccountName != 'default') || (has(variables.pod.automountServiceAccountToken) && !variables.pod.automountServiceAccountToken)",
    wrong: (pod) => {
      delete pod.serviceAccountName;
      delete pod.automountServiceAccountToken;
    },
  },
  ...['runAsUser', 'runAsGroup'].map((field) => ({
    message: `the cluster gives ids: no ${field}`,
    expression: unsetEverywhere(field),
    wrong: ({ securityContext }: Pod) => {
      securityContext[field] = 10_001;
    },
  })),
  {
    message: 'the cluster gives ids: no fsGroup',
    expression: '!has(variables.pod.securityContext) || !has(variables.pod.securityContext.fsGroup)',
    wrong: ({ securityContext }) => {
      securityContext.fsGroup = 10_001;
    },
  },
  {
    message: 'a Deployment’s containers have probes',
    expression: `object.kind != 'Deployment' || ${everyContainer('has(c.livenessProbe) && has(c.readinessProbe)')}`,
    wrong: ({ containers: [c] }) => {
      delete c.readinessProbe;
    },
  },
];

const policyKind = (kind: string, plural: string): ResourceKind => ({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind,
  plural,
  namespaced: false,
});
const policies = policyKind('ValidatingAdmissionPolicy', 'validatingadmissionpolicies');
const bindings = policyKind('ValidatingAdmissionPolicyBinding', 'validatingadmissionpolicybindings');

/** Every kind that the operator or a chart makes in a namespace. */
const labelled = {
  '': ['services', 'serviceaccounts', 'configmaps', 'secrets', 'persistentvolumeclaims'],
  apps: ['deployments'],
  batch: ['jobs'],
  'networking.k8s.io': ['ingresses', 'networkpolicies'],
  policy: ['poddisruptionbudgets'],
  'rbac.authorization.k8s.io': ['roles', 'rolebindings'],
};
const rule = (apiGroups: readonly string[], resources: readonly string[]) => ({
  apiGroups,
  apiVersions: ['*'],
  operations: ['CREATE', 'UPDATE'],
  resources,
});
const labelMessage = 'every object has the label team';
const wildcardMessage = 'a Role has no wildcard';

/** A pod that all are content with. */
export const rightPod = () => ({
  serviceAccountName: 'default',
  automountServiceAccountToken: false,
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [
    {
      name: 'right',
      image: 'registry.corp.example/right:1',
      resources: { requests: { cpu: '1', memory: '1Mi' }, limits: { memory: '1Mi' } },
      livenessProbe: { httpGet: { path: '/', port: 1 } },
      readinessProbe: { httpGet: { path: '/', port: 1 } },
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    },
  ],
});
const deploymentOf = (namespace: string, pod: Pod, labels: Record<string, string> = { team: 'office' }) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'probe', namespace, labels },
  spec: {
    replicas: 0,
    selector: { matchLabels: { app: 'probe' } },
    template: { metadata: { labels: { app: 'probe' } }, spec: pod },
  },
});

/**
 * Puts them in force in one namespace, together with Pod Security's strictest level, and waits until each refuses what it is to
 * refuse and all are content with what is right.
 * @returns takes them away again
 */
export async function enforce(client: KubeClient, namespace: string): Promise<() => Promise<void>> {
  await client.mergePatch(kinds.Namespace, undefined, namespace, {
    metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  });
  const put = async (name: string, spec: object) => {
    const named = { name: `${name}-${namespace}` };
    await client.create(policies, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: policies.kind,
      metadata: named,
      spec: { failurePolicy: 'Fail', ...spec },
    });
    await client.create(bindings, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: bindings.kind,
      metadata: named,
      spec: {
        policyName: named.name,
        validationActions: ['Deny'],
        matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } },
      },
    });
  };
  await put('pods', {
    matchConstraints: {
      resourceRules: [rule([''], ['pods']), rule(['apps'], ['deployments']), rule(['batch'], ['jobs'])],
    },
    variables: [
      { name: 'pod', expression: "object.kind == 'Pod' ? object.spec : object.spec.template.spec" },
      {
        name: 'containers',
        expression:
          'variables.pod.containers + (has(variables.pod.initContainers) ? variables.pod.initContainers : [])',
      },
    ],
    validations: ofPods.map(({ message, expression }) => ({ message, expression })),
  });
  await put('labels', {
    matchConstraints: { resourceRules: Object.entries(labelled).map(([group, of]) => rule([group], of)) },
    // What the cluster itself makes in each namespace.
    matchConditions: [{ name: 'others', expression: "!request.userInfo.username.startsWith('system:')" }],
    validations: [
      { message: labelMessage, expression: "has(object.metadata.labels) && 'team' in object.metadata.labels" },
      {
        message: wildcardMessage,
        expression: "object.kind != 'Role' || object.rules.all(r, !('*' in r.verbs) && !('*' in r.resources))",
      },
    ],
  });
  await eventually('nothing is said against what is right', () => allows(client, deploymentOf(namespace, rightPod())));
  for (const { message, wrong } of ofPods) {
    const pod = rightPod();
    wrong(pod);
    await eventually(`"${message}" is in force`, () => refuses(client, deploymentOf(namespace, pod), message));
  }
  const bare = deploymentOf(namespace, rightPod(), {});
  await eventually(`"${labelMessage}" is in force`, () => refuses(client, bare, labelMessage));
  return async () => {
    for (const name of [`pods-${namespace}`, `labels-${namespace}`]) {
      await client.delete(bindings, undefined, name);
      await client.delete(policies, undefined, name);
    }
  };
}

const allows = async (client: KubeClient, object: ReturnType<typeof deploymentOf>): Promise<boolean> => {
  await client.dryRun().create(kinds.Deployment, object);
  return true;
};
const refuses = async (
  client: KubeClient,
  object: ReturnType<typeof deploymentOf>,
  message: string,
): Promise<boolean> => {
  try {
    await client.dryRun().create(kinds.Deployment, object);
  } catch (error) {
    if ((error as Error).message.includes(message)) return true;
    throw error;
  }
  throw new Error('it is let through');
};
