/** As much of an object as tells why it is still there. */
export interface Remaining {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
    readonly ownerReferences?: readonly { readonly kind: string; readonly name: string }[];
  };
  readonly status?: { readonly phase?: string };
}

/**
 * What is left after its owner was deleted, and whose it is to remove it. An object that is in deletion, or owned, is a matter of
 * time: of the kubelet, the garbage collector, the provisioner. One that nobody is about to remove is a fault, however long one waits.
 * @returns a line each; `forgotten` are those of nobody
 */
export function leftBehind(objects: readonly Remaining[]): {
  readonly waitedFor: readonly string[];
  readonly forgotten: readonly string[];
} {
  const told = objects.map(({ kind, metadata, status }) => {
    const { name, deletionTimestamp: since, finalizers = [], ownerReferences: owners = [] } = metadata;
    const phase = status?.phase === undefined ? '' : `, ${status.phase}`;
    const by = finalizers.length === 0 ? '' : `, held by ${finalizers.join(', ')}`;
    if (since !== undefined) return { text: `${kind} ${name}: in deletion since ${since}${by}${phase}`, isKept: true };
    const [owner] = owners;
    if (owner !== undefined)
      return { text: `${kind} ${name}: owned by ${owner.kind} ${owner.name}${phase}`, isKept: true };
    // A volume goes after its claim: the provisioner looks at it then.
    return { text: `${kind} ${name}: nobody is about to remove it${phase}`, isKept: kind === 'PersistentVolume' };
  });
  return {
    waitedFor: told.filter(({ isKept }) => isKept).map(({ text }) => text),
    forgotten: told.filter(({ isKept }) => !isKept).map(({ text }) => text),
  };
}
