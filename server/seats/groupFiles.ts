import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { partFault } from './holderKey.ts';
import { type Group, type Groups, groupOf } from './seatRules.ts';

/** The groups of `LICENCE_GROUPS_DIR`, as they were last read well. */
export interface ReadGroups {
  readonly groups: Groups;
  /** Of all that is in them: another content has another digest. */
  readonly digest: string;
  /** Files that are not taken as they are now, in a sentence each. */
  readonly troubles: readonly string[];
}

export const noGroups: ReadGroups = { groups: new Map(), digest: '', troubles: [] };

const longestBytes = 4 << 20;
const mostPatterns = 1_000;
const mostFiles = 500;

interface Known {
  readonly stamp: string;
  readonly hash: string;
  readonly group: Group | undefined;
  readonly trouble: string | undefined;
}

/**
 * Reads a directory with one file a group: a name or a pattern a line; empty lines and those that begin with # are passed over.
 * Hidden entries are, too: a mounted ConfigMap keeps its versions in them. What cannot be taken is told, and stays as it was.
 */
export class GroupFiles {
  readonly #dir: string;
  #known = new Map<string, Known>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  async read(): Promise<ReadGroups> {
    const troubles: string[] = [];
    let names: string[];
    try {
      names = (await readdir(this.#dir)).filter((name) => !name.startsWith('.')).sort();
    } catch (error) {
      troubles.push(
        `the groups directory ${this.#dir} cannot be read (${codeOf(error)}); what was read last counts on`,
      );
      return this.#told(troubles);
    }
    if (names.length > mostFiles) {
      troubles.push(`the groups directory has ${names.length} files; ${mostFiles} at most are read`);
      names = names.slice(0, mostFiles);
    }
    const known = new Map<string, Known>();
    for (const name of names) {
      const one = await this.#readOne(name);
      if (one !== undefined) known.set(name, one);
    }
    this.#known = known;
    return this.#told(troubles);
  }

  /** Undefined: it is no file (any more). */
  async #readOne(name: string): Promise<Known | undefined> {
    const path = join(this.#dir, name);
    const before = this.#known.get(name);
    const keep = (stamp: string, why: string): Known => ({
      stamp,
      hash: before?.hash ?? '',
      group: before?.group,
      trouble: `the group ${name} ${why}; ${before?.group === undefined ? 'it fits nobody' : 'what was read last counts on'}`,
    });
    try {
      const found = await stat(path);
      if (!found.isFile()) return undefined;
      const { size, mtimeMs, ino } = found;
      const stamp = `${ino} ${mtimeMs} ${size}`;
      if (before?.stamp === stamp) return before;
      if (size > longestBytes) return keep(stamp, `has ${size} bytes: at most ${longestBytes}`);
      const text = await readFile(path, 'utf8');
      const lines = text.split(/\r?\n/).flatMap((line) => {
        const entry = line.trim();
        return entry === '' || entry.startsWith('#') ? [] : [entry];
      });
      const bad = lines.findIndex((line) => partFault('name', line, false) !== undefined);
      if (bad >= 0) return keep(stamp, `has an entry that is no name (${partFault('name', lines[bad], false)})`);
      const patterns = lines.filter((line) => /[*?]/.test(line)).length;
      if (patterns > mostPatterns) return keep(stamp, `has ${patterns} patterns: at most ${mostPatterns}`);
      const hash = createHash('sha256').update(lines.join('\n')).digest('hex');
      return { stamp, hash, group: groupOf(lines), trouble: undefined };
    } catch (error) {
      return codeOf(error) === 'ENOENT' ? undefined : keep('', `cannot be read (${codeOf(error)})`);
    }
  }

  #told(troubles: readonly string[]): ReadGroups {
    const read = [...this.#known];
    return {
      groups: new Map(read.flatMap(([name, { group }]) => (group === undefined ? [] : [[name, group] as const]))),
      digest: createHash('sha256')
        .update(JSON.stringify(read.map(([name, { hash }]) => [name, hash])))
        .digest('hex'),
      troubles: [...troubles, ...read.flatMap(([, { trouble }]) => trouble ?? [])],
    };
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);
