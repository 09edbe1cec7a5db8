import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from './process.ts';

const prefix = 'softonit-licence-';

/** When a process started, in the kernel's ticks: tells it from a later one with the same pid. Empty where there is no /proc. */
export const startOf = (pid: number): string => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
};

/** A mark of this process for a file; `ownerLives` reads it. */
export const ownerMark = (): string => `${process.pid} ${startOf(process.pid)}\n`;

export function ownerLives(mark: string): boolean {
  const [pid = '', started = ''] = mark.trim().split(' ');
  return /^\d+$/.test(pid) && isAlive(Number(pid)) && (started === '' || startOf(Number(pid)) === started);
}

const ownerOf = (dir: string): string => {
  try {
    return readFileSync(join(dir, 'owner'), 'utf8');
  } catch {
    return /-(\d+)-[^-]*$/.exec(dir)?.[1] ?? '';
  }
};

/** Directories under the system's temporary directory whose process is dead. */
export const leftovers = (kind: string): string[] =>
  readdirSync(tmpdir())
    .filter((name) => name.startsWith(`${prefix}${kind}-`))
    .map((name) => join(tmpdir(), name))
    .filter((dir) => {
      const owned = lstatSync(dir, { throwIfNoEntry: false })?.uid === process.getuid?.();
      return owned && !ownerLives(ownerOf(dir));
    });

/**
 * A new directory under the system's temporary directory, stamped with this process. What dead processes left of the same
 * kind is removed first, so a killed run costs disk only until the next one.
 */
export function createScratch(kind: string): string {
  for (const dir of leftovers(kind)) {
    try {
      rmSync(dir, { recursive: true, force: true });
    } catch {
      // another process is removing it too
    }
  }
  const dir = mkdtempSync(join(tmpdir(), `${prefix}${kind}-${process.pid}-`));
  writeFileSync(join(dir, 'owner'), ownerMark());
  return dir;
}
