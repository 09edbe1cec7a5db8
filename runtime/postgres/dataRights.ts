import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { mayTakeOver, mayUse, takeOver } from './takeOver.ts';

/** What PostgreSQL would refuse of the rights of its data, and what is to be done about it. */
export interface RightsFault {
  readonly path: string;
  /** What is wrong, without the path. */
  readonly what: string;
  /** Whether the next start puts it right: the data belong to the one who runs PostgreSQL, or he may use all of them. */
  readonly isMended: boolean;
  /** The command for a person. */
  readonly command: string;
}

/** Rights of others than the owner that PostgreSQL refuses: anything for everybody, writing for the group. */
const refused = 0o027;

/**
 * A kubelet that sets a volume's group adds group rights to all that is on it, and a restore may make files another user's. Only
 * what PostgreSQL looks at, and what it needs at once, is looked at: the directory itself, and the owner of what is in it.
 * @param owner the user that runs PostgreSQL
 */
export function rightsFault(
  data: string,
  owner: { readonly uid: number; readonly gid: number },
): RightsFault | undefined {
  const found = lstatSync(data);
  const isRoot = process.getuid?.() === 0;
  const contents = contentsOf(data);
  const foreign = [data, ...contents].find((path) => lstatSync(path).uid !== owner.uid);
  // root may everything, and says nothing of the user that runs PostgreSQL for it
  if (foreign !== undefined && (isRoot || foreign === data || !mayUse(contents))) {
    const what = `belongs to user ${lstatSync(foreign).uid}, and PostgreSQL runs as user ${owner.uid}`;
    const isMended = !isRoot && foreign === data && mayTakeOver(data);
    return { path: foreign, what, isMended, command: `chown -R ${owner.uid}:${owner.gid} '${data}'` };
  }
  const mode = found.mode & 0o7777;
  if ((mode & refused) === 0 && (mode & 0o700) === 0o700) return undefined;
  return {
    path: data,
    what: `has the rights ${mode.toString(8).padStart(4, '0')}, which PostgreSQL refuses`,
    isMended: isRoot || found.uid === process.getuid?.(),
    command: `chmod 700 '${data}'`,
  };
}

/** What lies in the data directory, if it may be looked into: whoever owns that directory alone can put its rights right. */
function contentsOf(data: string): string[] {
  try {
    return readdirSync(data)
      .filter((name) => name !== 'postmaster.pid') // a leftover, which is removed
      .map((name) => join(data, name));
  } catch {
    return [];
  }
}

/** Puts the rights right where that is possible. @throws Error naming path, user and command where it is not */
export function ensureRights(
  data: string,
  owner: { readonly uid: number; readonly gid: number },
): RightsFault | undefined {
  const fault = rightsFault(data, owner);
  if (fault === undefined) return undefined;
  if (!fault.isMended) throw new Error(`${fault.path} ${fault.what}: ${fault.command}`);
  if (lstatSync(data).uid === owner.uid || process.getuid?.() === 0) chmodSync(data, 0o700);
  else takeOver(data, owner.uid);
  return fault;
}
