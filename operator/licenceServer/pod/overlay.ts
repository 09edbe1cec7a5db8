import { elementNameOf, mergeKeysOf } from '../../kube/mergeKeys.ts';

/**
 * Lays a partial pod spec over a whole one with the rules of a strategic merge patch: objects merge, lists of things with
 * a name merge by that name, other lists are replaced, null removes. Pure.
 */
type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function mergeList(
  base: readonly unknown[],
  over: readonly unknown[],
  path: string,
  keys: readonly string[],
): unknown[] {
  const nameOf = (item: unknown) => (isObject(item) ? elementNameOf(item, keys) : String(item));
  const merged = base.map((item) => {
    const match = over.find((o) => nameOf(o) === nameOf(item));
    return match === undefined ? item : merge(item, match, path);
  });
  const known = new Set(base.map(nameOf));
  return [...merged, ...over.filter((o) => !known.has(nameOf(o)))];
}

function merge(base: unknown, over: unknown, path: string): unknown {
  if (Array.isArray(base) && Array.isArray(over)) {
    const keys = mergeKeysOf(path);
    return keys === undefined || keys === 'set' ? over : mergeList(base, over, path, keys);
  }
  if (!isObject(base) || !isObject(over)) return over;
  const merged: Json = { ...base };
  for (const [name, value] of Object.entries(over)) {
    if (value === null) delete merged[name];
    else merged[name] = name in base ? merge(base[name], value, `${path}.${name}`) : value;
  }
  return merged;
}

/** The pod spec `over` laid over the pod spec `base`; neither is changed. */
export const overlay = (base: Json, over: Json): Json => merge(base, over, 'spec.template.spec') as Json;

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
