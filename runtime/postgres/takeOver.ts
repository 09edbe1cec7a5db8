import { accessSync, constants, existsSync, lstatSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Data that another user wrote: PostgreSQL starts only in a directory of its own user, but asks of what lies in it no more than that it may be read and
 * written. On a platform that gives pods a uid of the namespace, the volume's group lets every one of them do that.
 */

const { R_OK, W_OK, X_OK } = constants;

function isUsable(path: string, isDirectory: boolean): boolean {
  try {
    accessSync(path, isDirectory ? R_OK | W_OK | X_OK : R_OK | W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether this user may read and write all of the data, and move them. */
export function mayTakeOver(data: string): boolean {
  if (!isUsable(dirname(data), true) || !isUsable(data, true)) return false;
  try {
    return readdirSync(data, { recursive: true, withFileTypes: true }).every((entry) =>
      isUsable(join(entry.parentPath, entry.name), entry.isDirectory()),
    );
  } catch {
    return false;
  }
}

/** Whether this user may read and write what lies in a directory, one level deep. */
export const mayUse = (paths: readonly string[]): boolean =>
  paths.every((path) => isUsable(path, lstatSync(path).isDirectory()));

/**
 * Moves the data into a directory of this user, which then takes their place. Nothing is copied; one that was cut short is gone on with.
 * @param uid of this user
 */
export function takeOver(data: string, uid: number): void {
  const draft = `${data}.taken`;
  // of yet another user, who was cut short
  if (existsSync(draft) && lstatSync(draft).uid !== uid) takeOver(draft, uid);
  mkdirSync(draft, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(data)) renameSync(join(data, name), join(draft, name));
  renameSync(draft, data); // in the place of what is empty by now
}
