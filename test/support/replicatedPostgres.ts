import { chmodSync, chownSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePostgres, unprivilegedUser } from '../../cluster/postgres.ts';
import { run, until } from '../../cluster/process.ts';
import { createScratch } from '../../cluster/scratch.ts';
import { type Node, postgresNode } from './postgresNode.ts';

export interface ReplicatedPostgres extends AsyncDisposable {
  /** Each by the name that it had at first, whichever of the two it is now. */
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
  const standBy = (of: Node, data: string) => {
    writeFileSync(join(data, 'standby.signal'), '');
    const line = `primary_conninfo = 'host=127.0.0.1 port=${of.port} user=postgres application_name=standby'\n`;
    writeFileSync(join(data, 'postgresql.auto.conf'), line);
    if (user)
      for (const file of ['standby.signal', 'postgresql.auto.conf']) chownSync(join(data, file), user.uid, user.gid);
  };
  const primary = await postgresNode('primary', bin, dir);
  const standby = await postgresNode('standby', bin, dir);
  await primary.initialise();
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
      await Promise.all([primary, standby].map((node) => node.stop('SIGQUIT')));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
