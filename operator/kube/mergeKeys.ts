/**
 * How the elements of a list that several managers may share are told apart, as the API server does: by the list's path in
 * its object, elements left out (`spec.template.spec.containers.ports`). `set`: each element is its own name. Undefined: the
 * list is one value, or its path is not known here.
 */
export type MergeKeys = readonly string[] | 'set' | undefined;

const byPath: readonly (readonly [pattern: RegExp, keys: readonly string[] | 'set'])[] = [
  [
    /(^|\.)(containers|initContainers|ephemeralContainers|volumes|env|imagePullSecrets|resourceClaims|schedulingGates)$/,
    ['name'],
  ],
  [/ontainers\.ports$/, ['containerPort', 'protocol']],
  [/^spec\.ports$/, ['port', 'protocol']],
  [/\.volumeMounts$/, ['mountPath']],
  [/\.volumeDevices$/, ['devicePath']],
  [/\.hostAliases$/, ['ip']],
  [/\.topologySpreadConstraints$/, ['topologyKey', 'whenUnsatisfiable']],
  [/^metadata\.ownerReferences$/, ['uid']],
  [/^status\.conditions$/, ['type']],
  [/^secrets$/, ['name']],
  [/^metadata\.finalizers$/, 'set'],
];

/** @param path of the list; elements may be named in it (`spec.containers[name=app].env`) */
export function mergeKeysOf(path: string): MergeKeys {
  const plain = path.replace(/\[[^\]]*\]/g, '');
  return byPath.find(([pattern]) => pattern.test(plain))?.[1];
}

/** What the API server fills in before it compares. */
const defaults: Readonly<Record<string, string>> = { protocol: 'TCP' };

/** The element's name in its list, for people and for comparing: `containerPort=80,protocol=TCP`. */
export const elementNameOf = (element: Readonly<Record<string, unknown>>, keys: readonly string[]): string =>
  keys.map((key) => `${key}=${element[key] ?? defaults[key]}`).join(',');
