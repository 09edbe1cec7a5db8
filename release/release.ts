import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** A release in the making: what each part is told, and where it puts its files. */
export interface Release {
  readonly version: string;
  /** The commit that it is made of, and its time: all files that carry a time carry this one. */
  readonly commit: string;
  readonly atSeconds: number;
  /** The folder of the release. */
  readonly out: string;
  /** Where its files will be found, without a slash at the end. */
  readonly downloads: string;
  say(line: string): void;
}

/** Something that is not in the folder, and why: nothing is left out in silence. */
export interface Left {
  readonly what: string;
  readonly why: string;
}

/** Makes some of the files. Answers what could not be made here. @throws when something is wrong */
export type Part = (release: Release) => Promise<readonly Left[]>;

/** A folder of the release. */
export function folderOf({ out }: Pick<Release, 'out'>, name: string): string {
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** The root of the repository. */
export const repository = join(import.meta.dirname, '..');
