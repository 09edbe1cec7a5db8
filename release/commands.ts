import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { buildClientPackage } from '../clientPackage.ts';
import { run } from '../cluster/process.ts';
import { buildKubectlLicence } from '../kubectlPackage.ts';
import { entriesOf, writeTgz } from './archive.ts';
import { sha256Of } from './checksums.ts';
import { folderOf, type Left, type Part, type Release } from './release.ts';

/** Platforms with an executable that needs no Node, by Node's name of them. One for macOS has to be signed on a Mac. */
export const executables = ['linux-x64', 'linux-arm64', 'win-x64'] as const;
export type Platform = (typeof executables)[number];

/** `kubectl licence` as one file for Node, and as executables; the latter take a Node out of a package each. */
export const kubectlLicence =
  (platforms: readonly Platform[]): Part =>
  async (release) => {
    const { atSeconds } = release;
    const to = folderOf(release, 'cli');
    const scratch = mkdtempSync(join(tmpdir(), 'cli-'));
    const left: Left[] = [];
    try {
      const built = join(scratch, 'built');
      await buildKubectlLicence(built, []);
      const files = entriesOf(built);
      await writeTgz(join(to, 'kubectl-licence-node.tar.gz'), files, atSeconds);
      for (const platform of platforms) {
        const own = join(scratch, platform);
        release.say(`an executable for ${platform}`);
        try {
          await buildKubectlLicence(own, [platform]);
        } catch (error) {
          left.push({ what: `cli/kubectl-licence-${platform}.tar.gz`, why: firstLine(error) });
          continue;
        }
        const executable = entriesOf(join(own, platform));
        const beside = files.filter(({ name }) => name === 'LICENSE' || name === 'kubectl_complete-licence');
        await writeTgz(join(to, `kubectl-licence-${platform}.tar.gz`), [...executable, ...beside], atSeconds);
      }
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
    writeFileSync(
      join(to, 'licence.yaml'),
      krewManifest(
        release,
        platforms.filter((p) => !left.some(({ what }) => what.includes(p))),
      ),
    );
    left.push({
      what: 'executables for macOS',
      why: 'they have to be signed on a Mac; Krew installs the file for Node there',
    });
    return left;
  };

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';

const krewSelectors: Readonly<Record<Platform, { os: string; arch: string }>> = {
  'linux-x64': { os: 'linux', arch: 'amd64' },
  'linux-arm64': { os: 'linux', arch: 'arm64' },
  'win-x64': { os: 'windows', arch: 'amd64' },
};

/** How Krew installs it: the checksums of the files that were just made, and where they will be. */
export function krewManifest(release: Release, platforms: readonly Platform[]): string {
  const { version, out, downloads } = release;
  const archive = (name: string) => ({
    uri: `${downloads}/cli/${name}`,
    sha256: sha256Of(readFileSync(join(out, 'cli', name))),
  });
  const plugin = (platform: Platform) => {
    const bin = platform.startsWith('win-') ? 'kubectl-licence.exe' : 'kubectl-licence';
    return {
      selector: { matchLabels: krewSelectors[platform] },
      ...archive(`kubectl-licence-${platform}.tar.gz`),
      files: [bin, 'LICENSE'].map((from) => ({ from, to: '.' })),
      bin,
    };
  };
  return stringify(
    {
      apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
      kind: 'Plugin',
      metadata: { name: 'licence' },
      spec: {
        version: `v${version}`,
        homepage: downloads,
        shortDescription: 'Looks after floating-seat licence servers',
        description:
          'From an alert to the cause in two commands: list, status, seats, denials, keys.\nRotates keys with a proof, regenerates, activates without a network, clears stale seats.\n',
        caveats: 'On macOS it needs Node 22 or newer on the PATH; elsewhere it needs nothing.\n',
        platforms: [
          ...platforms.map(plugin),
          {
            selector: { matchLabels: { os: 'darwin' } },
            ...archive('kubectl-licence-node.tar.gz'),
            files: ['kubectl-licence', 'package.json', 'LICENSE'].map((from) => ({ from, to: '.' })),
            bin: 'kubectl-licence',
          },
        ],
      },
    },
    { lineWidth: 0 },
  );
}

/** The client for programs as a package of npm, and the command `licence` as one file for Node. */
export const clientPackage: Part = async (release) => {
  const scratch = mkdtempSync(join(tmpdir(), 'client-'));
  try {
    const built = join(scratch, 'package');
    await buildClientPackage(built);
    await run('npm', ['pack', '--silent', '--pack-destination', folderOf(release, 'npm'), built], {
      env: { SOURCE_DATE_EPOCH: String(release.atSeconds) },
    });
    cpSync(join(built, 'licence.js'), join(folderOf(release, 'cli'), 'licence.mjs'));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return [];
};
