import { readFileSync } from 'node:fs';

/** Node's flags as the image starts a program: a bench of the bundle measures what is shipped. @throws if it has no such program */
export function imageFlags(program: 'operator' | 'server'): string[] {
  const dockerfile = readFileSync(new URL('../Dockerfile', import.meta.url), 'utf8');
  const entry = new RegExp(`^ENTRYPOINT (\\[.*/${program}/main\\.js"\\])$`, 'm').exec(dockerfile)?.[1];
  if (entry === undefined) throw new Error(`the Dockerfile starts no ${program}/main.js`);
  return (JSON.parse(entry) as string[]).filter((word) => /^--\w/.test(word));
}
