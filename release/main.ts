import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { changelog } from './changelog.ts';
import { charts } from './charts.ts';
import { signChecksums, writeChecksums } from './checksums.ts';
import { clientPackage, executables, kubectlLicence } from './commands.ts';
import { images } from './images.ts';
import { manifests } from './manifests.ts';
import { operatorHub } from './operatorHub.ts';
import { type Left, type Part, type Release, repository } from './release.ts';
import { sbom } from './sbom.ts';

const help = `npm run release: everything of a release in one folder. Uploads nothing: docs/releasing.md says what goes where.

  npm run release -- --dry-run          of what is here, committed or not
  npm run release                       of the tag v<version> at HEAD, with nothing uncommitted

  --out DIR          default: dist/release/<version>; what was there is removed
  --only PART,…      some parts: PARTS
  --key FILE         an Ed25519 key in PEM, which signs the checksums; without it they are not signed
  --downloads URL    where the files will be found, for the manifest of Krew and for Artifact Hub
  --executables      the commands also as executables that need no Node
`;

const parts = {
  changelog,
  charts,
  manifests,
  npm: clientPackage,
  cli: kubectlLicence([]),
  sbom,
  operatorhub: operatorHub,
  images,
} satisfies Record<string, Part>;

const { values } = parseArgs({
  options: {
    'dry-run': { type: 'boolean', default: false },
    out: { type: 'string' },
    only: { type: 'string' },
    key: { type: 'string' },
    downloads: { type: 'string' },
    executables: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

const git = (...args: readonly string[]): string =>
  execFileSync('git', args, { cwd: repository, encoding: 'utf8' }).trim();

/** @returns what keeps this from being released as it is; undefined where nothing does */
function notReleasable(version: string): string | undefined {
  if (git('status', '--porcelain') !== '') return 'something is not committed';
  const tags = git('tag', '--points-at', 'HEAD').split('\n');
  return tags.includes(`v${version}`) ? undefined : `HEAD has no tag v${version}`;
}

async function main(): Promise<void> {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { version: string };
  const fault = values['dry-run'] ? undefined : notReleasable(version);
  if (fault !== undefined) throw new Error(`${fault}; --dry-run makes the files all the same`);
  const wanted = values.only?.split(',') ?? Object.keys(parts);
  const unknown = wanted.find((name) => !(name in parts));
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}"; take ${Object.keys(parts).join(', ')}`);
  const release: Release = {
    version,
    commit: git('rev-parse', 'HEAD'),
    atSeconds: Number(process.env.SOURCE_DATE_EPOCH ?? git('log', '-1', '--format=%ct')),
    out: resolve(values.out ?? join(repository, 'dist/release', version)),
    downloads: values.downloads ?? `https://downloads.example.org/softonit-licence/v${version}`,
    say: (line) => process.stderr.write(`» ${line}\n`),
  };
  rmSync(release.out, { recursive: true, force: true });
  mkdirSync(release.out, { recursive: true });
  const all: Record<string, Part> = { ...parts, ...(values.executables ? { cli: kubectlLicence(executables) } : {}) };
  const left: Left[] = [];
  for (const name of wanted) {
    release.say(name);
    left.push(...((await all[name]?.(release)) ?? []));
  }
  if (values.key === undefined) left.push({ what: 'signatures', why: 'no key was given (--key)' });
  writeFileSync(join(release.out, 'README.md'), readme(release, left));
  writeChecksums(release.out);
  if (values.key !== undefined) signChecksums(release.out, readFileSync(values.key, 'utf8'));
  process.stdout.write(`${release.out}\n${left.map(({ what, why }) => `not in it: ${what}: ${why}\n`).join('')}`);
}

const readme = ({ version, commit }: Release, left: readonly Left[]): string => `# Softonit Licence ${version}
Made of commit ${commit}. What is new: CHANGES.md. To verify: docs/releasing.md, in short

\`\`\`sh
openssl pkeyutl -verify -pubin -inkey release-key.pub.pem -rawin -in SHA256SUMS -sigfile SHA256SUMS.sig
sha256sum -c SHA256SUMS
\`\`\`

## Not in it
${left.map(({ what, why }) => `- ${what}: ${why}`).join('\n')}
`;

if (values.help) process.stdout.write(help.replace('PARTS', Object.keys(parts).join(', ')));
else {
  try {
    await main();
  } catch (error) {
    process.stderr.write(`npm run release: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
