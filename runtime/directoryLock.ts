import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** A directory that belongs to this process alone until it ends. */
export interface DirectoryLock {
  release(): void;
}

/**
 * Takes the lock of a directory. The lock is the operating system's own (a file lock, held through SQLite, which knows how
 * to do that everywhere), so it ends with the process however that ends, and holds across containers on one machine.
 * @throws Error naming the holder's process id and host when another process has it.
 */
export function lockDirectory(dir: string, program: string): DirectoryLock {
  mkdirSync(dir, { recursive: true });
  const whoFile = join(dir, `${program}.pid`);
  const lock = new DatabaseSync(join(dir, `${program}.lock`));
  try {
    lock.exec('PRAGMA journal_mode=DELETE; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (!(error instanceof Error) || !/locked|busy/.test(error.message)) throw error;
    throw new Error(
      `${dir} is in use by another ${program} (process ${whoHolds(whoFile)}); stop that one or choose another directory`,
    );
  }
  writeFileSync(whoFile, `${process.pid} on ${hostname()}\n`);
  return {
    release: () => {
      rmSync(whoFile, { force: true });
      lock.close();
    },
  };
}

/** Who has the lock of a directory, without taking it: process id and host, or undefined when nobody has it. */
export function directoryHolder(dir: string, program: string): string | undefined {
  const file = join(dir, `${program}.lock`);
  if (!existsSync(file)) return undefined;
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(file, { readOnly: true });
    lock.prepare('SELECT count(*) FROM sqlite_master').get();
    return undefined;
  } catch (error) {
    if (error instanceof Error && /locked|busy/.test(error.message)) return whoHolds(join(dir, `${program}.pid`));
    return undefined; // it cannot be read: told by whoever wants to take it
  } finally {
    lock?.close();
  }
}

const whoHolds = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return 'unknown';
  }
};
