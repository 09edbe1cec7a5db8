/**
 * Lays a partial pod spec over a whole one with the rules of a strategic merge patch: objects merge, lists of things with
 * a name merge by that name, other lists are replaced, null removes. Pure.
 */
type Json = Record<string, unknown>;

/** The key by which the items of a list are the same; a list that is not here is replaced as a whole. */
const mergeKeys: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  ephemeralContainers: ['name'],
  volumes: ['name'],
  env: ['name'],
  imagePullSecrets: ['name'],
  volumeMounts: ['mountPath'],
  volumeDevices: ['devicePath'],
  ports: ['containerPort', 'protocol'],
  hostAliases: ['ip'],
  topologySpreadConstraints: ['topologyKey', 'whenUnsatisfiable'],
};

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function mergeList(base: readonly unknown[], over: readonly unknown[], keys: readonly string[]): unknown[] {
  const idOf = (item: unknown) =>
    isObject(item) ? keys.map((k) => String(item[k] ?? (k === 'protocol' ? 'TCP' : ''))).join('/') : String(item);
  const merged = base.map((item) => {
    const match = over.find((o) => idOf(o) === idOf(item));
    return match === undefined ? item : overlay(item, match);
  });
  const known = new Set(base.map(idOf));
  return [...merged, ...over.filter((o) => !known.has(idOf(o)))];
}

/** `over` laid over `base`; neither is changed. */
export function overlay(base: unknown, over: unknown, field = ''): unknown {
  if (Array.isArray(base) && Array.isArray(over)) {
    const keys = mergeKeys[field];
    return keys === undefined ? over : mergeList(base, over, keys);
  }
  if (!isObject(base) || !isObject(over)) return over;
  const merged: Json = { ...base };
  for (const [name, value] of Object.entries(over)) {
    if (value === null) delete merged[name];
    else merged[name] = name in base ? overlay(base[name], value, name) : value;
  }
  return merged;
}

const listsOfPod = ['containers', 'initContainers', 'volumes'];
const listsOfContainer = ['env', 'envFrom', 'ports', 'volumeMounts'];

/**
 * What makes a partial pod spec no such thing, as a sentence; undefined: nothing. Only what this program itself looks into
 * is judged here, the rest is the API server's.
 */
export function overlayFault(over: Json, path = 'spec.podTemplate.spec', lists = listsOfPod): string | undefined {
  for (const name of lists) {
    const list = over[name];
    if (list === undefined || list === null) continue;
    if (!Array.isArray(list)) return `${path}.${name} must be a list`;
    for (const [i, item] of list.entries()) {
      if (!isObject(item)) return `${path}.${name}[${i}] must be an object`;
      const isContainer = lists === listsOfPod && name.toLowerCase().endsWith('containers');
      const fault = isContainer ? overlayFault(item, `${path}.${name}[${i}]`, listsOfContainer) : undefined;
      if (fault !== undefined) return fault;
    }
  }
  return undefined;
}
