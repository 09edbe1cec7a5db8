import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { withLock } from './cache.ts';
import { PrerequisiteMissing, progress } from './prerequisite.ts';
import { run, withAdministrators } from './process.ts';

const policy = '/usr/sbin/policy-rc.d';
const kept = `${policy}.before-licence-install`;

/** Packages of the list that are not installed. */
export async function missingDebian(packages: readonly string[]): Promise<string[]> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholders
  const out = await run('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Abbrev}\n', ...packages]).catch(
    (error) => String(error.output ?? ''), // dpkg-query fails when it knows nothing of one of them; the others are still listed
  );
  const installed = new Set(
    out
      .split('\n')
      .filter((line) => / [ih]i /.test(`${line} `))
      .map((line) => line.split(' ')[0]),
  );
  return packages.filter((p) => !installed.has(p));
}

const ours = '#!/bin/sh\n# Of an install by softonit-licence; gone when that is done.\nexit 101\n';

/** Runs `work` while no package may start a daemon: `invoke-rc.d` asks policy-rc.d, and 101 says no. */
async function withoutDaemons<T>(work: () => Promise<T>): Promise<T> {
  restorePolicy(); // a killed run may have left ours
  if (existsSync(policy)) renameSync(policy, kept);
  writeFileSync(policy, ours, { mode: 0o755 });
  try {
    return await work();
  } finally {
    restorePolicy();
  }
}

function restorePolicy(): void {
  if (existsSync(policy) && readFileSync(policy, 'utf8') === ours) rmSync(policy);
  if (existsSync(kept)) renameSync(kept, policy);
}

/**
 * Installs what is missing of the packages, without starting any daemon of theirs.
 * @throws PrerequisiteMissing where there is no apt or this is not root.
 */
export async function ensureDebian(packages: readonly string[], purpose: string): Promise<void> {
  if (!existsSync('/usr/bin/apt-get')) {
    throw new PrerequisiteMissing(packages.join(', '), purpose, 'install them (on Debian this would be done for you)');
  }
  if ((await missingDebian(packages)).length === 0) return;
  if (process.getuid?.() !== 0) {
    const missing = (await missingDebian(packages)).join(' ');
    throw new PrerequisiteMissing(missing, purpose, `run "sudo apt-get install ${missing}", or run this as root`);
  }
  await withLock('apt', async () => {
    const missing = await missingDebian(packages);
    if (missing.length === 0) return;
    progress(`installing Debian packages: ${missing.join(' ')}`);
    await aptUpdate();
    // The package would make and start a cluster of its own.
    const common = '/etc/postgresql-common';
    const file = `${common}/createcluster.conf`;
    if (missing.some((p) => p.startsWith('postgresql')) && !existsSync(file)) {
      await run('mkdir', ['-p', common]);
      writeFileSync(file, 'create_main_cluster = false\n');
    }
    await withoutDaemons(() =>
      run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', ...missing], {
        env: { DEBIAN_FRONTEND: 'noninteractive' },
      }),
    );
  });
}

const onPath = (command: string): boolean =>
  command.startsWith('/')
    ? existsSync(command)
    : withAdministrators(process.env.PATH)
        .split(':')
        .some((dir) => existsSync(`${dir}/${command}`));

/**
 * Makes commands available. Asks for the command, not the package: another package may have brought it.
 * @param packages command (name or absolute path) → the Debian package that has it
 */
export async function ensureCommands(packages: Readonly<Record<string, string>>, purpose: string): Promise<void> {
  const missing = Object.entries(packages).filter(([command]) => !onPath(command));
  if (missing.length > 0) await ensureDebian([...new Set(missing.map(([, name]) => name))], purpose);
}

let updated = false;
/** Fetches the package lists once a process. */
export async function aptUpdate(): Promise<void> {
  if (updated) return;
  await run('apt-get', ['update', '-qq', '-o', 'DPkg::Lock::Timeout=300']);
  updated = true;
}

/** The distribution's code name, for example `bookworm`. */
export const debianRelease = (): string =>
  existsSync('/etc/os-release')
    ? (/^VERSION_CODENAME=(.*)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? '')
    : '';
