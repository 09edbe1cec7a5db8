import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { IssuedKey, IssueRequest, RegenerateRequest, RenewalTerms } from '../licence/authorityWire.ts';
import type { Kubectl } from './kubectl.ts';

/** A way from this machine to a Service of the cluster that survives the pod behind it. */
export type Reach = (namespace: string, service: string, port: number) => Promise<string>;

/** Where to install, with what images. */
export interface Place {
  readonly kubectl: Kubectl;
  readonly reach: Reach;
  readonly images: { readonly operator: string; readonly server: string; readonly authority: string };
  /** Namespaces whose LicenceServers the operator looks after; they are made if missing. */
  readonly namespaces: readonly string[];
  /** The folder of the charts; default: this repository's. */
  readonly charts?: string;
  /** One line a step, for a person who waits. */
  say(line: string): void;
}

export const operatorNamespace = 'licence-system';
export const vendorNamespace = 'vendor';

/** The vendor's side as an administrator uses it. */
export interface Vendor {
  /** Address for pods of the cluster. */
  readonly url: string;
  issue(request: IssueRequest): Promise<IssuedKey>;
  regenerate(licenceId: string, request?: RegenerateRequest): Promise<IssuedKey>;
  /** Notes a paid extension, which the customer takes. */
  grantRenewal(licenceId: string, terms: RenewalTerms): Promise<unknown>;
  /** Answers the token of the link that brings a customer's person in. */
  invite(person: { readonly email: string; readonly organisation: string }): Promise<{ readonly token: string }>;
  /** Public keys that activations are verified with. */
  jwks(): Promise<string>;
}

const ownCharts = fileURLToPath(new URL('../charts', import.meta.url));

/** `registry/name:tag` as the two values that charts take. */
const imageValues = (prefix: string, image: string): string[] => {
  const at = image.lastIndexOf(':');
  return [`${prefix}.repository=${image.slice(0, at)}`, `${prefix}.tag=${image.slice(at + 1)}`];
};
const sets = (values: readonly string[]) => values.flatMap((v) => ['--set', v]);

export async function ensureNamespaces(kubectl: Kubectl, names: readonly string[]): Promise<void> {
  // Pods of every licence server pass the strictest standard, so the demonstration enforces it.
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await kubectl.apply(names.map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })));
}

/** Installs the operator and the vendor's authority with Helm and waits until both are ready. */
export async function installProduct(place: Place): Promise<Vendor> {
  const { kubectl, images, say } = place;
  await ensureNamespaces(kubectl, [operatorNamespace, vendorNamespace, ...place.namespaces]);
  say('installing the operator and the authority with Helm');
  const watched = place.namespaces.map((name, i) => `watch.namespaces[${i}]=${name}`);
  const install = (release: string, chartName: string, namespace: string, values: readonly string[]) =>
    kubectl.helm(
      [
        'upgrade',
        '--install',
        release,
        join(place.charts ?? ownCharts, chartName),
        '-n',
        namespace,
        '--wait',
        '--timeout',
        '3m',
        ...sets(values),
      ],
      { timeoutMs: 200_000 },
    );
  await Promise.all([
    install('licence-operator', 'licence-operator', operatorNamespace, [
      ...imageValues('image', images.operator),
      ...imageValues('serverImage', images.server),
      'regeneration.enabled=true',
      ...watched,
    ]),
    install('licence-authority', 'licence-authority', vendorNamespace, imageValues('image', images.authority)),
  ]);
  return connectVendor(place);
}

/** The authority that is installed, with the vendor's token. */
export async function connectVendor(
  { kubectl, reach }: Pick<Place, 'kubectl' | 'reach'>,
  namespace = vendorNamespace,
): Promise<Vendor> {
  const base = await reach(namespace, 'licence-authority', 8080);
  const tokens = await kubectl.secret(namespace, 'licence-authority-tokens');
  const token = (tokens.vendor ?? '').split('\n')[0];
  const post = async <T>(path: string, body: unknown): Promise<T> => {
    const response = await fetch(new URL(path, base), {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`the authority answered ${response.status}: ${text}`);
    return JSON.parse(text) as T;
  };
  return {
    url: `http://licence-authority.${namespace}.svc:8080`,
    issue: (request) => post('/v1/licences', request),
    regenerate: (id, request = {}) => post(`/v1/licences/${encodeURIComponent(id)}:regenerate`, request),
    grantRenewal: (id, terms) => post(`/v1/licences/${encodeURIComponent(id)}/renewals`, terms),
    invite: (person) => post('/v1/invitations', person),
    jwks: async () => (await fetch(new URL('/.well-known/jwks.json', base))).text(),
  };
}

/** A LicenceServer with one key, ready to be applied: the trusted keys, the Secret and the resource. */
export interface SampleRequest {
  readonly namespace: string;
  readonly name: string;
  readonly vendor: Vendor;
  readonly key: string;
  /** Laid over the sample's spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

export async function sampleObjects(request: SampleRequest): Promise<unknown[]> {
  const { namespace, name, vendor, key, spec } = request;
  const trust = { name: 'vendor-keys', key: 'jwks.json' };
  return [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: trust.name, namespace },
      data: { [trust.key]: await vendor.jwks() },
    },
    keySecret(namespace, name, key),
    {
      apiVersion: 'licensing.softonit.ru/v1beta1',
      kind: 'LicenceServer',
      metadata: { name, namespace },
      spec: {
        keys: [{ name: 'erp', secretRef: { name: `${name}-keys`, key: 'erp' } }],
        activation: { authority: { url: vendor.url, trustedKeys: { configMapRef: trust } } },
        ...spec,
      },
    },
  ];
}

/** The Secret that holds the sample's key; applying it with another key is a rotation. */
export const keySecret = (namespace: string, name: string, key: string) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: `${name}-keys`, namespace },
  stringData: { erp: key },
});

/** Waits for `condition` of a LicenceServer as a person would, with kubectl. */
export const waitForCondition = (
  kubectl: Kubectl,
  at: { readonly namespace: string; readonly name: string },
  condition: string,
  timeoutSeconds: number,
): Promise<string> =>
  kubectl(
    [
      '-n',
      at.namespace,
      'wait',
      `licenceserver/${at.name}`,
      `--for=condition=${condition}`,
      `--timeout=${timeoutSeconds}s`,
    ],
    { timeoutMs: (timeoutSeconds + 10) * 1_000 },
  );
