import { createHash } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ownerLives, ownerMark } from './scratch.ts';
import { tellStep, timed } from './timing.ts';

/** Where everything costly to make is kept between runs and checkouts. */
export function cacheDir(): string {
  const base = process.env.LICENCE_CACHE_DIR ?? process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const dir = join(base, 'softonit-licence');
  mkdirSync(dir, { recursive: true });
  return dir;
}

/** A short name for inputs: the same inputs give the same name. */
export function keyOf(...inputs: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const input of inputs) hash.update(`${input.length}:`).update(input);
  return hash.digest('hex').slice(0, 16);
}

const held = new Map<string, Promise<unknown>>();

/**
 * Runs `work` while no other process (and no other caller in this one) holds the lock of that name. The lock file names
 * its owner, so the lock of a dead process is broken.
 */
export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const before = held.get(name) ?? Promise.resolve();
  const mine = before.then(
    () => locked(name, work),
    () => locked(name, work),
  );
  held.set(name, mine);
  return mine;
}

async function locked<T>(name: string, work: () => Promise<T>): Promise<T> {
  const locks = join(cacheDir(), 'locks');
  mkdirSync(locks, { recursive: true });
  const file = join(locks, name.replaceAll('/', '-'));
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, ownerMark());
  try {
    while (!tryLink(draft, file)) {
      if (!ownerLives(readOr(file))) breakLock(file);
      else await delay(200);
    }
    return await work();
  } finally {
    if (readOr(file) === ownerMark()) rmSync(file, { force: true });
    rmSync(draft, { force: true });
  }
}

/** A hard link appears with its content, or not at all: nobody ever reads an empty lock. */
function tryLink(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Renamed away first: of two that see the same dead owner only one removes it, and none removes its successor's lock. */
function breakLock(file: string): void {
  const aside = `${file}.broken.${process.pid}`;
  try {
    renameSync(file, aside);
    if (ownerLives(readOr(aside))) tryLink(aside, file); // it had just changed hands
    rmSync(aside, { force: true });
  } catch {
    // another process was first
  }
}

const readOr = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};

/** Drafts in the making: a process that exits leaves none. */
const drafts = new Set<string>();
process.on('exit', () => {
  for (const draft of drafts) rmSync(draft, { recursive: true, force: true });
});

/**
 * A cached directory that exists complete or not at all. `make` fills an empty one, which is then renamed into place; of one that
 * failed nothing is left.
 * @param key of the inputs: other inputs are another directory
 */
export async function cached(name: string, key: string, make: (dir: string) => Promise<void>): Promise<string> {
  const final = placeOf(name, key);
  if (existsSync(final)) return fromCache(name, final);
  return withLock(`${name}-${key}`, async () => {
    if (existsSync(final)) return fromCache(name, final);
    const draft = `${final}.making`;
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { recursive: true });
    drafts.add(draft);
    try {
      await timed(name, () => make(draft), 'made');
      renameSync(draft, final);
    } finally {
      rmSync(draft, { recursive: true, force: true });
      drafts.delete(draft);
    }
    return final;
  });
}

const fromCache = (name: string, place: string): string => {
  tellStep({ name, wallMs: 0, processorMs: 0, from: 'cache' });
  return place;
};

/** Where a piece of these inputs is, once it is made. */
export const placeOf = (name: string, key: string): string => join(cacheDir(), `${name}-${key}`);
