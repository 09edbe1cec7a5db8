import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cached, keyOf } from '../cluster/cache.ts';
import { createScratch } from '../cluster/scratch.ts';
import { imageFlags } from './imageFlags.ts';

const root = resolve(import.meta.dirname, '..');

/** A program of an earlier commit, as its image ran it: `main` is started with Node and these `options`. */
export interface EarlierBundle {
  /** The commit's short name. */
  readonly commit: string;
  readonly main: string;
  readonly options: readonly string[];
}

/** An earlier commit that cannot be measured; its message is a sentence for a person. */
export class Unusable extends Error {}

/**
 * Builds a program as it was at `ref`, once a commit, so that it can be measured beside today's.
 * @param ref whatever git takes for a commit
 * @throws {Unusable} if there is no such commit, or if it does not build; nothing is left behind then
 */
export async function earlierBundle(
  ref: string,
  program: 'operator' | 'server',
  say: (step: string) => void,
): Promise<EarlierBundle> {
  const commit = commitOf(ref);
  const dir = await cached(`bundle-of-${program}`, keyOf(commit, program, process.arch), async (draft) => {
    const sources = createScratch('earlier');
    try {
      say(`building the ${program} of ${ref}`);
      const archive = execFileSync('git', ['archive', commit], { cwd: root, maxBuffer: 1 << 28 });
      execFileSync('tar', ['-x', '-C', sources], { input: archive });
      provideModules(sources);
      execFileSync(process.execPath, ['build.ts', program], { cwd: sources, stdio: ['ignore', 2, 2] });
      cpSync(join(sources, 'dist', program), draft, { recursive: true });
      if (!existsSync(join(draft, 'main.js'))) throw new Error('its build left no main.js');
      writeFileSync(join(draft, 'flags.json'), JSON.stringify(imageFlags(program, sources)));
    } catch (error) {
      rmSync(draft, { recursive: true, force: true });
      const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
      throw new Unusable(`the ${program} of ${ref} does not build: ${why}`);
    } finally {
      rmSync(sources, { recursive: true, force: true });
    }
  });
  const options: string[] = JSON.parse(readFileSync(join(dir, 'flags.json'), 'utf8'));
  return { commit: commit.slice(0, 7), main: join(dir, 'main.js'), options };
}

function commitOf(ref: string): string {
  try {
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`];
    return execFileSync('git', args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    throw new Unusable(`${ref} is no commit of this repository: name one that \`git log\` shows`);
  }
}

/** The modules of that commit: ours where its lock file says the same, else its own. */
function provideModules(sources: string): void {
  const lockOf = (dir: string) => readFileSync(join(dir, 'package-lock.json'), 'utf8');
  if (lockOf(sources) === lockOf(root)) symlinkSync(join(root, 'node_modules'), join(sources, 'node_modules'));
  else execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: sources, stdio: ['ignore', 2, 2] });
}
