import { mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'vite';
import { repository } from './sources.ts';

/**
 * Builds a page as `npm run build:web` does, into its place only when whole: other servers may show the old one meanwhile.
 * @param folder of the page, from the repository's root
 */
export async function buildPage(folder: 'web' | 'web/cabinet'): Promise<void> {
  const root = join(repository, folder);
  const draft = await mkdtemp(join(root, 'dist.'));
  const dist = join(root, 'dist');
  const configFile = join(repository, 'web/vite.config.ts');
  await build({ root, configFile, logLevel: 'error', build: { outDir: draft, emptyOutDir: true } });
  await rm(dist, { recursive: true, force: true });
  await rename(draft, dist);
}
