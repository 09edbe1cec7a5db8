import { elementNameOf, mergeKeysOf } from './mergeKeys.ts';
import { quantityOf } from './quantity.ts';

/** A place where what is wanted and what is there are not the same. */
export interface Difference {
  /** For people: `spec.template.spec.containers[name=app].image`. */
  readonly path: string;
  readonly wanted: unknown;
  /** Undefined if it is missing. */
  readonly found: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Everything in `wanted` that `found` does not have, or has otherwise. What `found` has beyond it belongs to somebody else
 * (defaults of the API server, other field managers) and is no difference; except in lists that the API server treats as
 * one value, where one more element is one.
 */
export function differences(wanted: unknown, found: unknown): Difference[] {
  const into: Difference[] = [];
  compare(wanted, found, '', into);
  return into;
}

function compare(wanted: unknown, found: unknown, path: string, into: Difference[]): void {
  if (wanted === found || wanted === undefined) return;
  if (isFields(wanted) && isFields(found)) {
    for (const [name, value] of Object.entries(wanted)) compare(value, found[name], join(path, name), into);
  } else if (Array.isArray(wanted) && Array.isArray(found)) {
    compareLists(wanted, found, path, into);
  } else if (wanted === null && found === undefined) {
    // Null stands for "no such field".
  } else if (!isSameQuantity(wanted, found, path)) {
    into.push({ path, wanted, found });
  }
}

function compareLists(wanted: readonly unknown[], found: readonly unknown[], path: string, into: Difference[]): void {
  // An empty list wants nothing of a shared list, but one value that is empty of another.
  const keys = mergeKeysOf(path);
  if (keys === 'set' && !wanted.some((value) => typeof value === 'object')) {
    for (const value of wanted) if (!found.includes(value)) into.push({ path, wanted, found });
  } else if (keys !== undefined && keys !== 'set' && wanted.every(isFields)) {
    for (const element of wanted) {
      const name = elementNameOf(element, keys);
      const twin = found.find((other) => isFields(other) && elementNameOf(other, keys) === name);
      compare(element, twin, `${path}[${name}]`, into);
    }
  } else if (wanted.length !== found.length) {
    into.push({ path, wanted, found });
  } else {
    for (const [at, value] of wanted.entries()) compare(value, found[at], `${path}[${at}]`, into);
  }
}

/** Where the API server reads quantities and writes them its own way (`1024Mi` becomes `1Gi`). */
const quantityPath = /(^|\.)(requests|limits|capacity|hard|overhead)\.[^.]+(\[|$)|\.(sizeLimit|divisor)$/;

function isSameQuantity(wanted: unknown, found: unknown, path: string): boolean {
  if (!quantityPath.test(path)) return false;
  const [a, b] = [wanted, found].map((v) =>
    typeof v === 'string' || typeof v === 'number' ? quantityOf(`${v}`) : undefined,
  );
  return a !== undefined && a === b;
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const join = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`);
