import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDebian } from './debian.ts';
import { PrerequisiteMissing } from './prerequisite.ts';
import { freePort, run, startDaemon, type User, until } from './process.ts';
import { createScratch } from './scratch.ts';

const versions = '/usr/lib/postgresql';
const newest = (): string | undefined =>
  existsSync(versions)
    ? readdirSync(versions)
        .filter((v) => existsSync(join(versions, v, 'bin', 'initdb')))
        .sort((a, b) => Number(b) - Number(a))
        .map((v) => join(versions, v, 'bin'))[0]
    : undefined;

/** The directory of PostgreSQL's server programs, the newest that is installed; installs one where that is allowed. */
export async function ensurePostgres(purpose = 'to run the tests against a database'): Promise<string> {
  const given = process.env.LICENCE_POSTGRES_BIN;
  if (given !== undefined && existsSync(join(given, 'initdb'))) return given;
  if (newest() === undefined) await ensureDebian(['postgresql-15'], purpose);
  const found = newest();
  if (found === undefined) {
    throw new PrerequisiteMissing(
      'PostgreSQL',
      purpose,
      'install PostgreSQL 15 or newer, or set LICENCE_POSTGRES_BIN to the directory of initdb',
    );
  }
  return found;
}

/** PostgreSQL refuses to run as root; as root this answers whom to run it as. */
export function unprivilegedUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((l) => l.startsWith('postgres:'));
  const [, , uid = '65534', gid = '65534'] = line?.split(':') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

export interface Postgres {
  /** Of the superuser, to the database `postgres`. */
  readonly adminUrl: string;
  readonly dir: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/**
 * Starts an empty PostgreSQL on a free loopback port, for tests: nothing is ever flushed to disk (`fsync=off`). It ends
 * with this process, however that ends.
 */
export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<Postgres> {
  const bin = await ensurePostgres();
  const user = unprivilegedUser();
  const dir = createScratch('postgres');
  const data = join(dir, 'data');
  mkdirSync(data, { mode: 0o700 });
  chmodSync(dir, 0o711);
  if (user) chownSync(data, user.uid, user.gid);
  const as = user ? { user } : {};
  await run(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale', 'C.UTF-8', '--no-sync'],
    { cwd: dir, ...as },
  );
  const port = await freePort();
  const all = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    fsync: 'off',
    full_page_writes: 'off',
    synchronous_commit: 'off',
    max_connections: '200',
    jit: 'off',
    ...settings,
  };
  const logFile = join(dir, 'postgres.log');
  const daemon = await startDaemon(
    'postgres',
    join(bin, 'postgres'),
    ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { logFile, cwd: data, deathSignal: 'QUIT', ...as },
  );
  const isReady = join(bin, 'pg_isready');
  await until(
    'PostgreSQL ready',
    30_000,
    () =>
      run(isReady, ['-q', '-h', '127.0.0.1', '-p', String(port), '-U', 'postgres']).then(
        () => true,
        () => false,
      ),
    [daemon],
  );
  return {
    adminUrl: `postgres://postgres@127.0.0.1:${port}/postgres`,
    dir,
    pid: daemon.pid,
    stop: async () => {
      await daemon.stop('SIGQUIT');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
