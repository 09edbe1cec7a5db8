import { textOnce } from './keptOnce.ts';

/**
 * `next`, with each part that equals the one of `like` at the same place replaced by it: thousands of objects that differ
 * in little more than their names take the memory of their differences. Both are JSON; no value of `next` changes, only
 * which object or text stands for it, so `next` must not be written to by anybody else.
 * @returns `like` itself if all of it is equal
 */
export function sharing<T>(like: unknown, next: T): T {
  // Of two equal texts one is enough, too.
  if (like === next) return like as T;
  if (typeof next === 'string') return textOnce(next) as T;
  if (!isObject(like) || !isObject(next)) return next;
  if (Array.isArray(next)) return Array.isArray(like) ? sharingList(like, next) : next;
  if (Array.isArray(like)) return next;
  const fields: Record<string, unknown> = next;
  let isSame = true;
  let count = 0;
  for (const name of Object.keys(fields)) {
    count += 1;
    const field = fields[name];
    const shared = sharing(like[name], field);
    if (shared !== like[name] || !Object.hasOwn(like, name)) isSame = false;
    if (shared !== field || typeof field === 'string') fields[name] = shared;
  }
  return isSame && Object.keys(like).length === count ? (like as T) : next;
}

function sharingList<T>(like: readonly unknown[], next: T & unknown[]): T {
  let isSame = like.length === next.length;
  for (let i = 0; i < next.length; i++) {
    next[i] = sharing(like[i], next[i]);
    if (next[i] !== like[i]) isSame = false;
  }
  return isSame ? (like as T) : next;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
