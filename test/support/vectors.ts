import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './sources.ts';

/** One file of `test/vectors/<folder>`: lines `name: value`, a line `---`, then the input to the last byte. */
export interface Vector {
  readonly name: string;
  readonly says: Readonly<Record<string, string>>;
  readonly input: string;
}

export function readVectors(folder: string): Vector[] {
  const dir = join(repository, 'test/vectors', folder);
  return readdirSync(dir)
    .filter((file) => file.endsWith('.txt'))
    .sort()
    .map((file) => {
      const text = readFileSync(join(dir, file), 'utf8');
      const end = text.indexOf('---\n');
      const lines = text.slice(0, end).trimEnd().split('\n');
      const says = Object.fromEntries(lines.map((l) => [l.slice(0, l.indexOf(':')), l.slice(l.indexOf(':') + 2)]));
      return { name: file.replace(/\.txt$/, ''), says, input: text.slice(end + 4) };
    });
}
