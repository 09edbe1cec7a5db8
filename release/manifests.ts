import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../cluster/process.ts';
import { folderOf, type Part, repository } from './release.ts';

/** For those without Helm: the operator as plain objects, and the definition alone. */
export const manifests: Part = async (release) => {
  const to = folderOf(release, 'manifests');
  const text = await run(process.execPath, [
    join(repository, 'charts/manifests.ts'),
    ...['--set', `image.tag=${release.version}`, '--set', `serverImage.tag=${release.version}`],
  ]);
  writeFileSync(join(to, 'licence-operator.yaml'), text);
  cpSync(join(repository, 'crds/licenceservers.yaml'), join(to, 'licenceservers.yaml'));
  return [];
};
