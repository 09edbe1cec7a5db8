import type { KubeClient } from '../../kube/client.ts';
import { isControlledBy, type KubeObject, keyOf } from '../../kube/object.ts';
import { kinds, type ResourceKind } from '../../kube/resourceKind.ts';
import { kind as licenceServer } from '../api/coordinates.ts';
import { labels, regeneratedKey } from '../api/metadata.ts';
import { namesOf } from '../api/names.ts';
import type { LicenceServer } from '../api/types.ts';
import { ownerReferenceOf, retainedMeta } from '../build/object.ts';
import type { Stores } from '../observe/stores.ts';
import { isOwn } from './ownership.ts';

/**
 * Gives what a LicenceServer has from an earlier life, from a backup or from an older operator the owner and the marks that
 * it would be made with today: nothing that is to stay has an owner that would take it along, and no copy is left behind
 * without one. Metadata only, in every state of the LicenceServer; nothing is written where nothing differs.
 */
export async function takeBack(
  { client, stores }: { readonly client: KubeClient; readonly stores: Stores },
  server: LicenceServer,
): Promise<void> {
  const { namespace, name } = server.metadata;
  const names = namesOf(name);
  const isRetained = ({ metadata }: KubeObject) =>
    [names.identity, names.tokens].includes(metadata.name) || metadata.labels?.[regeneratedKey.replaces] !== undefined;
  const isCopy = ({ metadata }: KubeObject) => metadata.labels?.[labels.copy] !== undefined;
  const secrets = stores.ownSecrets(keyOf(server));
  const configMaps = stores.copies('configMaps', namespace, name);
  const claim = stores.get(kinds.PersistentVolumeClaim, namespace, names.claim);
  const retained = (object: KubeObject) => retainedPatch(server, object);
  const owned = (object: KubeObject) => ownedPatch(server, object);
  const mend = async (kind: ResourceKind, object: KubeObject, patchOf: (object: KubeObject) => Patch | undefined) => {
    if (object.metadata.deletionTimestamp !== undefined || !isOwn(server.metadata, object)) return;
    const patch = patchOf(object);
    if (patch === undefined) return;
    const { uid, resourceVersion } = object.metadata;
    const metadata = { ...patch, uid, resourceVersion };
    stores.of(kind)?.assume(await client.mergePatch(kind, namespace, object.metadata.name, { metadata }));
  };
  for (const secret of secrets.filter(isRetained)) await mend(kinds.Secret, secret, retained);
  if (claim !== undefined) await mend(kinds.PersistentVolumeClaim, claim, retained);
  for (const secret of secrets.filter(isCopy)) await mend(kinds.Secret, secret, owned);
  for (const configMap of configMaps) await mend(kinds.ConfigMap, configMap, owned);
}

/** A merge patch of metadata. */
type Patch = Readonly<Record<string, unknown>>;

function ownedPatch(server: LicenceServer, object: KubeObject): Patch | undefined {
  if (isControlledBy(object, server)) return undefined;
  return { ownerReferences: [...othersOf(object), ownerReferenceOf(server.metadata)] };
}

function retainedPatch(server: LicenceServer, object: KubeObject): Patch | undefined {
  const wanted = retainedMeta(server.metadata, object.metadata.name);
  const { ownerReferences = [], labels: has = {}, annotations = {} } = object.metadata;
  const others = othersOf(object);
  const missing = (of: Readonly<Record<string, string>> = {}, there: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(of).filter(([key]) => there[key] === undefined));
  const patch = {
    labels: {
      ...missing(wanted.labels, has),
      ...(has[labels.instance] === undefined ? {} : { [labels.instance]: null }),
    },
    annotations: missing(wanted.annotations, annotations),
    ...(others.length === ownerReferences.length ? {} : { ownerReferences: others }),
  };
  const isSame = [patch.labels, patch.annotations].every((part) => Object.keys(part).length === 0);
  return isSame && patch.ownerReferences === undefined ? undefined : patch;
}

/** Its owners but the LicenceServer, of this life or an earlier one. */
const othersOf = ({ metadata }: KubeObject) =>
  (metadata.ownerReferences ?? []).filter(({ kind }) => kind !== licenceServer);
