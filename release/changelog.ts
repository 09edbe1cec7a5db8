import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Part, repository } from './release.ts';

/** The section of a version, else what is not released yet; without its heading. @throws when there is neither */
export function changesOf(changelog: string, version: string): string {
  const sections = changelog.split(/^## /m).slice(1);
  const named = (name: string) => sections.find((section) => section.split('\n', 1)[0]?.trim().startsWith(name));
  const section = named(version) ?? named(`[${version}]`) ?? named('Unreleased');
  if (section === undefined) throw new Error(`CHANGELOG.md has no section ${version}, and none of what is unreleased`);
  return section.slice(section.indexOf('\n') + 1).trim();
}

/** What is new, for whoever reads only that. */
export const changelog: Part = async ({ out, version }) => {
  const changes = changesOf(readFileSync(join(repository, 'CHANGELOG.md'), 'utf8'), version);
  writeFileSync(join(out, 'CHANGES.md'), `# ${version}\n${changes}\n`);
  return [];
};
