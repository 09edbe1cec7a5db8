import { createKubeApi } from '../../cluster/kubeApi.ts';
import { readKubeconfig } from '../../cluster/kubeconfig.ts';
import type { Kubectl } from '../../demo/kubectl.ts';
import { collectionPath, kinds, objectPath, type ResourceKind } from '../../operator/kube/resourceKind.ts';
import { licenceServerKind } from '../../operator/licenceServer/api/coordinates.ts';

const kindOf: Readonly<Record<string, ResourceKind>> = {
  ...Object.fromEntries(Object.values(kinds).map((kind) => [kind.kind.toLowerCase(), kind])),
  pv: kinds.PersistentVolume,
  pvc: kinds.PersistentVolumeClaim,
  licenceserver: licenceServerKind,
};

/** What tests read of a cluster again and again, without a process for each look. */
export interface ClusterReads extends Pick<Kubectl, 'get' | 'secret'> {
  /** Objects of a kind with these labels. */
  list<T>(namespace: string, kind: string, labels: string): Promise<readonly T[]>;
}

/** @param kubeconfig a file with an address that this machine reaches */
export function clusterReads(kubeconfig: string): ClusterReads {
  const api = createKubeApi(readKubeconfig(kubeconfig));
  const known = (kind: string): ResourceKind => {
    const found = kindOf[kind];
    if (found === undefined) throw new Error(`${kind}: no kind that tests read; ${Object.keys(kindOf).join(', ')} are`);
    return found;
  };
  const read = async (path: string): Promise<unknown> => {
    const { status, body } = await api.request('GET', path);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  };
  const get = async <T>(namespace: string, kind: string, name: string): Promise<T | undefined> =>
    (await read(objectPath(known(kind), namespace, name))) as T | undefined;
  return {
    get,
    secret: async (namespace, name) => {
      const found = await get<{ readonly data?: Readonly<Record<string, string>> }>(namespace, 'secret', name);
      if (found === undefined) throw new Error(`there is no Secret ${namespace}/${name}`);
      return Object.fromEntries(
        Object.entries(found.data ?? {}).map(([k, v]) => [k, Buffer.from(v, 'base64').toString()]),
      );
    },
    list: async <T>(namespace: string, kind: string, labels: string) => {
      const path = `${collectionPath(known(kind), namespace)}?labelSelector=${encodeURIComponent(labels)}`;
      return ((await read(path)) as { readonly items: readonly T[] }).items;
    },
  };
}
