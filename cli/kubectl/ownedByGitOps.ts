import type { KubeObject } from '../../operator/kube/object.ts';

const fluxLabels = ['kustomize.toolkit.fluxcd.io/name', 'helm.toolkit.fluxcd.io/name'];
const argoAnnotation = 'argocd.argoproj.io/tracking-id';
const writers: readonly (readonly [RegExp, string])[] = [
  [/^argocd/, 'Argo CD'],
  [/^(kustomize|helm)-controller$/, 'Flux'],
  [/external-secrets/, 'External Secrets'],
  [/sealed-secrets|^controller$/, 'Sealed Secrets'],
  [/vault/, 'a Vault operator'],
];
const ownerKinds = ['ExternalSecret', 'SealedSecret', 'VaultStaticSecret', 'OnePasswordItem'];

/**
 * Who would write over a change by hand: a GitOps tool, or an operator that brings Secrets. Pure; undefined: nobody that is known.
 * Sources: tracking labels and annotations as the tools document them; field managers as they write them.
 */
export function gitOpsOwnerOf(object: KubeObject): string | undefined {
  const { labels = {}, annotations = {}, ownerReferences = [], managedFields } = object.metadata;
  if (annotations[argoAnnotation] !== undefined) return `Argo CD (${annotations[argoAnnotation]})`;
  const flux = fluxLabels.find((label) => labels[label] !== undefined);
  if (flux !== undefined) return `Flux (${labels[flux]})`;
  const owner = ownerReferences.find(({ kind }) => ownerKinds.includes(kind));
  if (owner !== undefined) return `${owner.kind} ${owner.name}`;
  const managers = (Array.isArray(managedFields) ? managedFields : []) as readonly { readonly manager?: string }[];
  for (const [pattern, name] of writers) if (managers.some(({ manager = '' }) => pattern.test(manager))) return name;
  return undefined;
}
