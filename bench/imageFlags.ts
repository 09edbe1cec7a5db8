import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/**
 * Node's flags as the image starts a program: a bench of the bundle measures what is shipped.
 * @param sources whose Dockerfile; without it, of this checkout
 * @throws if the image has no such program
 */
export function imageFlags(program: 'operator' | 'server', sources = resolve(import.meta.dirname, '..')): string[] {
  const dockerfile = readFileSync(join(sources, 'Dockerfile'), 'utf8');
  const entry = new RegExp(`^ENTRYPOINT (\\[.*/${program}/main\\.js"\\])$`, 'm').exec(dockerfile)?.[1];
  if (entry === undefined) throw new Error(`the Dockerfile starts no ${program}/main.js`);
  return (JSON.parse(entry) as string[]).filter((word) => /^--\w/.test(word));
}
