import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ensureEarlierSources } from '../../../../cluster/earlier.ts';
import { createScratch } from '../../../../cluster/scratch.ts';
import { repository } from '../../../support/sources.ts';

/**
 * The sources of an earlier commit in a folder of their own, with today's packages, so that its programs can be run and its modules imported.
 * @throws PrerequisiteMissing when this clone does not have the commit
 */
export async function earlierSources(commit: string): Promise<string> {
  const kept = await ensureEarlierSources(commit);
  const dir = createScratch('earlier');
  for (const part of ['package.json', 'cli', 'client', 'licence', 'runtime', 'server', 'web'])
    cpSync(join(kept, part), join(dir, part), { recursive: true });
  symlinkSync(join(repository, 'node_modules'), join(dir, 'node_modules'));
  return dir;
}
