import { chownSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ensureCommands } from '../../cluster/debian.ts';
import { unprivilegedUser } from '../../cluster/postgres.ts';
import { type Daemon, freePort, startDaemon, until } from '../../cluster/process.ts';
import { createScratch } from '../../cluster/scratch.ts';

export interface PgBouncer extends AsyncDisposable {
  /** The given address, by way of the pooler. */
  readonly url: string;
  /** Ends it as a crash does, and starts it again on the same address. */
  restart(): Promise<void>;
}

/**
 * PgBouncer before the server of `url`, with one pool for all; on Debian, as root, its package is installed first.
 * @throws PrerequisiteMissing where it cannot be had
 */
export async function startPgBouncer(
  url: string,
  mode: 'session' | 'transaction' | 'statement',
  poolSize = 20,
): Promise<PgBouncer> {
  await ensureCommands({ pgbouncer: 'pgbouncer' }, 'to reach a database through a pooler');
  const behind = new URL(url);
  const port = await freePort();
  const dir = createScratch('pgbouncer');
  const config = join(dir, 'pgbouncer.ini');
  writeFileSync(join(dir, 'users'), `"${decodeURIComponent(behind.username)}" ""\n`);
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'trust',
    auth_file: join(dir, 'users'),
    pool_mode: mode,
    default_pool_size: poolSize,
    max_client_conn: 200,
    server_login_retry: 1,
    query_wait_timeout: 5,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  writeFileSync(
    config,
    `[databases]\n* = host=${behind.hostname} port=${behind.port}\n[pgbouncer]\n${lines.join('\n')}\n`,
  );
  const user = unprivilegedUser();
  if (user) for (const path of [dir, config, join(dir, 'users')]) chownSync(path, user.uid, user.gid);
  const start = async (): Promise<Daemon> => {
    const started = await startDaemon('pgbouncer', '/usr/sbin/pgbouncer', [config], {
      logFile: join(dir, 'pgbouncer.log'),
      cwd: dir,
      ...(user ? { user } : {}),
    });
    await until('PgBouncer to listen', 30_000, listens, [started]);
    return started;
  };
  const listens = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  let daemon = await start();
  behind.hostname = '127.0.0.1';
  behind.port = String(port);
  return {
    url: behind.href,
    restart: async () => {
      await daemon.stop('SIGKILL');
      daemon = await start();
    },
    [Symbol.asyncDispose]: async () => {
      await daemon.stop('SIGINT');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
