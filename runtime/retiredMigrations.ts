import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A migration as a database or an export tells of it. */
export interface AppliedMigration {
  readonly name: string;
  /** SHA-256 of its text. */
  readonly hash: string;
}

/**
 * Migrations of earlier builds that run no more, or whose text was cut: who has had one is as far as who has run the files of
 * today. `retired.txt` of the directory has a line each, as `sha256sum` prints it; `#` begins a comment.
 */
export function readRetired(dir: string): readonly AppliedMigration[] {
  const file = join(dir, 'retired.txt');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line) => /^([0-9a-f]{64}) {2}(\S+)$/.exec(line))
    .flatMap((found) => (found?.[1] && found[2] ? [{ hash: found[1], name: found[2] }] : []));
}

export const isRetired = (retired: readonly AppliedMigration[], { name, hash }: AppliedMigration): boolean =>
  retired.some((r) => r.name === name && r.hash === hash);
