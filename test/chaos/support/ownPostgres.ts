import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres, unprivilegedUser } from '../../../cluster/postgres.ts';
import { until } from '../../db/server/support/serverProcess.ts';

const setpriv = '/usr/bin/setpriv';
const endsWithUs = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'QUIT', '--'] : [];

/** A PostgreSQL of one test's own, which can be stopped and started again on its data. */
export async function startOwnPostgres(settings: Readonly<Record<string, string>>) {
  const first = await startPostgres(settings);
  const data = join(first.dir, 'data');
  // the command line as PostgreSQL noted it: "program" "-D" "…" …
  const [program = '', ...args] = [
    ...readFileSync(join(data, 'postmaster.opts'), 'utf8').matchAll(/"([^"]*)"|(\S+)/g),
  ].map((m) => m[1] ?? m[2] ?? '');
  let pid: number | undefined = first.pid;
  let child: ChildProcess | undefined;
  const answers = async () => {
    const client = new pg.Client({ connectionString: first.adminUrl, connectionTimeoutMillis: 1_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      return true;
    } finally {
      await client.end().catch(() => {});
    }
  };
  const isAlive = (p: number) => {
    try {
      process.kill(p, 0);
      return true;
    } catch {
      return false;
    }
  };
  const stop = async (signal: 'SIGINT' | 'SIGQUIT' = 'SIGINT') => {
    const running = pid;
    if (running === undefined) return;
    pid = undefined;
    const exited = child === undefined ? undefined : once(child, 'exit');
    process.kill(running, signal);
    if (exited) await exited;
    else await until('PostgreSQL to stop', async () => !isAlive(running));
    child = undefined;
  };
  const start = async () => {
    const [file = program, ...all] = [...endsWithUs, program, ...args];
    child = spawn(file, all, { cwd: data, stdio: 'ignore', ...unprivilegedUser() });
    pid = child.pid;
    await until('PostgreSQL to start', answers);
  };
  return {
    url: first.adminUrl,
    stop: () => stop(),
    start,
    /** Ends as in a crash, and is back as fast as it can be. */
    crash: async () => {
      await stop('SIGQUIT');
      await start();
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      await first.stop();
    },
  };
}
