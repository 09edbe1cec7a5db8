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
