import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, keyOf } from './cache.ts';
import { ensureImage, type ImageArchive, targets } from './images.ts';
import { PrerequisiteMissing } from './prerequisite.ts';

/** The build that people have, and upgrade from. */
export const upgradedFrom = '324d1f7';

/** An earlier build of this repository, as it was installed then. */
export interface EarlierBuild {
  readonly commit: string;
  /** The folder of its charts. */
  readonly charts: string;
  /** Its images, by names whose tag is the commit. */
  readonly images: readonly ImageArchive[];
}

const repository = fileURLToPath(new URL('..', import.meta.url));
const git = (...args: readonly string[]) =>
  execFileSync('git', args, { cwd: repository, maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'ignore'] });

/**
 * The sources of an earlier commit, in a folder.
 * @throws PrerequisiteMissing when this clone does not have it
 */
export async function ensureEarlierSources(commit: string): Promise<string> {
  const whole = fullNameOf(commit);
  return cached('sources', keyOf(whole), async (draft) => {
    execFileSync('tar', ['-x', '-C', draft], { input: git('archive', whole) });
  });
}

/**
 * The charts and images of an earlier commit; built once.
 * @throws PrerequisiteMissing when this clone does not have it, or this machine cannot build images
 */
export async function ensureEarlierBuild(commit: string): Promise<EarlierBuild> {
  const sources = await ensureEarlierSources(commit);
  const images: ImageArchive[] = [];
  for (const target of targets) images.push(await ensureImage(target, sources, commit));
  return { commit, charts: join(sources, 'charts'), images };
}

function fullNameOf(commit: string): string {
  try {
    return git('rev-parse', '--verify', '--quiet', '--end-of-options', `${commit}^{commit}`).toString().trim();
  } catch {
    throw new PrerequisiteMissing(
      `commit ${commit}`,
      'to upgrade from what people have',
      'this clone lacks it: git fetch --unshallow',
    );
  }
}
