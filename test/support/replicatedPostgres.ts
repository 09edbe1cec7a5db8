import { chmodSync, chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { ensurePostgres, unprivilegedUser } from '../../cluster/postgres.ts';
import { type Daemon, freePort, run, startDaemon, until } from '../../cluster/process.ts';
import { createScratch } from '../../cluster/scratch.ts';

/** One PostgreSQL of a pair, whichever of the two it is at the moment. */
export interface Node {
  readonly name: string;
  readonly port: number;
  /** Of the superuser, to the database `postgres`. */
  readonly url: string;
  start(): Promise<void>;
  /** INT: with all that was written sent to the standby; QUIT and KILL: as a crash. */
  stop(signal: 'SIGINT' | 'SIGQUIT' | 'SIGKILL'): Promise<void>;
  query(sql: string): Promise<Record<string, unknown>[]>;
}

export interface ReplicatedPostgres extends AsyncDisposable {
  readonly primary: Node;
  readonly standby: Node;
  /** Makes the standby a primary; answers when it can be written to. */
  promote(): Promise<void>;
  /** The stopped first primary comes back as a standby of the second. */
  rejoin(): Promise<void>;
}

/** A primary and a standby with real streaming replication, on loopback. `synchronous`: commits wait for the standby. */
export async function startReplicatedPostgres(synchronous = false): Promise<ReplicatedPostgres> {
  const bin = await ensurePostgres('to try a fail-over');
  const user = unprivilegedUser();
  const as = user ? { user } : {};
  const dir = createScratch('replicated');
  chmodSync(dir, 0o711);
  const daemons = new Map<string, Daemon>();

  const node = async (name: string): Promise<Node & { readonly data: string }> => {
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
      start: async () => {
        const logFile = join(dir, `${name}.log`);
        const daemon = await startDaemon(name, join(bin, 'postgres'), args, {
          logFile,
          cwd: data,
          deathSignal: 'QUIT',
          ...as,
        });
        daemons.set(name, daemon);
        await until(`${name} to answer`, 60_000, async () => (await query('SELECT 1')).length === 1, [daemon]);
      },
      stop: async (signal) => {
        await daemons.get(name)?.stop(signal, 30_000);
        daemons.delete(name);
      },
    };
  };

  const standBy = (of: Node, data: string) => {
    writeFileSync(join(data, 'standby.signal'), '');
    const line = `primary_conninfo = 'host=127.0.0.1 port=${of.port} user=postgres application_name=standby'\n`;
    writeFileSync(join(data, 'postgresql.auto.conf'), line);
    if (user)
      for (const file of ['standby.signal', 'postgresql.auto.conf']) chownSync(join(data, file), user.uid, user.gid);
  };
  const primary = await node('primary');
  const standby = await node('standby');
  const initdb = [
    '-D',
    primary.data,
    '-U',
    'postgres',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--locale',
    'C.UTF-8',
    '--no-sync',
  ];
  await run(join(bin, 'initdb'), initdb, { cwd: dir, ...as });
  await primary.start();
  const backup = [
    '-D',
    standby.data,
    '-h',
    '127.0.0.1',
    '-p',
    String(primary.port),
    '-U',
    'postgres',
    '-c',
    'fast',
    '--no-sync',
  ];
  await run(join(bin, 'pg_basebackup'), backup, { cwd: dir, ...as });
  standBy(primary, standby.data);
  await standby.start();
  await until('the standby to stream', 60_000, async () => {
    const rows = await primary.query("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'");
    return rows.length === 1;
  });
  if (synchronous) {
    await primary.query("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    await primary.query('SELECT pg_reload_conf()');
    await until('replication to be synchronous', 30_000, async () => {
      const rows = await primary.query("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'");
      return rows.length === 1;
    });
  }
  return {
    primary,
    standby,
    promote: async () => {
      // promoted by its sentence, it answers when it has begun a timeline of its own
      await standby.query('SELECT pg_promote(true, 60)');
    },
    rejoin: async () => {
      standBy(standby, primary.data);
      await primary.start();
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([...daemons.values()].map((daemon) => daemon.stop('SIGQUIT')));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
