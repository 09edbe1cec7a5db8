import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { unprivilegedUser } from '../../cluster/postgres.ts';
import { type Daemon, freePort, run, startDaemon, until } from '../../cluster/process.ts';

/** A PostgreSQL on loopback that is started and ended by the test, over and over, on the same data. */
export interface Node {
  readonly name: string;
  readonly data: string;
  readonly port: number;
  /** Of the superuser, to the database `postgres`. */
  readonly url: string;
  /** Makes new data. */
  initialise(): Promise<void>;
  start(): Promise<void>;
  /** INT: with all that was written sent to the standby; QUIT and KILL: as a crash. */
  stop(signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void>;
  query(sql: string): Promise<Record<string, unknown>[]>;
}

/** @param bin its programs; `dir` a directory that others may pass through */
export async function postgresNode(name: string, bin: string, dir: string): Promise<Node> {
  const user = unprivilegedUser();
  const as = user ? { user } : {};
  const port = await freePort();
  const data = join(dir, name);
  mkdirSync(data, { mode: 0o700 });
  if (user) chownSync(data, user.uid, user.gid);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    fsync: 'off',
    full_page_writes: 'off',
    wal_level: 'replica',
    hot_standby: 'on',
    max_wal_senders: '5',
    wal_keep_size: '256MB',
    wal_receiver_status_interval: '1s',
    max_connections: '100',
  };
  const args = ['-D', data, ...Object.entries(settings).flatMap(([n, value]) => ['-c', `${n}=${value}`])];
  let daemon: Daemon | undefined;
  const query = async (sql: string) => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end().catch(() => {});
    }
  };
  return {
    name,
    port,
    url,
    data,
    query,
    initialise: async () => {
      const plain = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale', 'C.UTF-8', '--no-sync'];
      await run(join(bin, 'initdb'), ['-D', data, ...plain], { cwd: dir, ...as });
    },
    start: async () => {
      const logFile = join(dir, `${name}.log`);
      const started = await startDaemon(name, join(bin, 'postgres'), args, {
        logFile,
        cwd: data,
        deathSignal: 'QUIT',
        ...as,
      });
      daemon = started;
      await until(`${name} to answer`, 60_000, async () => (await query('SELECT 1')).length === 1, [started]);
    },
    stop: async (signal) => {
      const ending = daemon;
      daemon = undefined;
      await ending?.stop(signal, 30_000);
    },
  };
}
