import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type pg from 'pg';
import { createLog } from '../../runtime/log.ts';
import { migrate } from '../../runtime/migrate.ts';
import { startEmbedded } from '../../runtime/postgres/embedded.ts';
import { migrationsDir } from '../../server/db/database.ts';
import { createComputer } from '../../test/db/server/support/serverProcess.ts';
import { imageFlags } from '../imageFlags.ts';
import { Fixture, plenty } from './fixture.ts';
import { fillRelay } from './relay.ts';

export type Name = 'ours' | 'earlier' | 'design A' | 'bare' | 'keygen-relay';

/** Somebody who answers requests on a port of this machine. */
export interface Contestant {
  readonly name: Name;
  readonly port: number;
  readonly token: string;
  readonly pid: number;
  /** The seats that it keeps in a PostgreSQL of its own; absent for one that keeps none there. */
  readonly fixture?: Fixture;
  readonly postgresPid?: number;
  /** File with what the heartbeats of a contestant without a fixture renew. */
  readonly leaseFile?: string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const here = import.meta.dirname;
const root = join(here, '..', '..');

interface Started {
  readonly port: number;
  readonly pid: number;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts a program and waits until its output names its port. */
async function start(command: string, args: readonly string[], env: Record<string, string>): Promise<Started> {
  const child: ChildProcess = spawn(command, args, {
    env: { PATH: process.env.PATH ?? '', HOME: '/', NODE_NO_WARNINGS: '1', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let said = '';
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      said = (said + chunk).slice(-10_000);
      const found = /http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (found !== undefined) resolve(Number(found));
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${said}`)));
  });
  const stop = (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal);
    return exited;
  };
  return { port, pid: child.pid ?? 0, stop };
}

/** A licence server's program, and Node's options for it. */
export interface Bundle {
  readonly main: string;
  readonly options: readonly string[];
}

/** The bundle, put aside so that a later build does not pull it away from under a run; with the node options of the image. */
export function installBundle(dir: string, builds: boolean): Bundle {
  if (builds) execFileSync(process.execPath, [join(root, 'build.ts'), 'server'], { stdio: ['ignore', 2, 2] });
  const built = join(root, 'dist', 'server');
  if (!existsSync(join(built, 'main.js'))) throw new Error('there is no bundle in dist/server: run npm run build');
  cpSync(built, join(dir, 'app'), { recursive: true });
  return { main: join(dir, 'app', 'main.js'), options: imageFlags('server') };
}

export interface Ours extends Contestant {
  readonly fixture: Fixture;
  readonly postgresPid: number;
  readonly adminToken: string;
  readonly dataDir: string;
}

/**
 * A computer with our server as its image runs it: the bundle, embedded PostgreSQL, tokens, metrics, events and audit on.
 * @param dir for its own: two computers take two
 * @param node the Node that runs it
 */
export async function ourComputer(
  name: 'ours' | 'earlier',
  dir: string,
  app: Bundle,
  extra: readonly string[],
  node = process.execPath,
) {
  const computer = await createComputer(plenty, 'Ed25519');
  const { LICENCE_ACCESS: _, ...env } = computer.env;
  mkdirSync(join(dir, 'compile-cache'), { recursive: true });
  const settings = {
    ...env,
    LICENCE_LEASE_SECONDS: '3600',
    LICENCE_HISTORY_DAYS: '400', // for those who play it
    NODE_ENV: 'production',
    NODE_COMPILE_CACHE: join(dir, 'compile-cache'),
  };
  const tokenOf = (role: string) => readFileSync(join(computer.dataDir, 'tokens', role), 'utf8').trim();
  return {
    remove: () => computer.remove(),
    start: async (): Promise<Ours> => {
      const started = await start(node, [...app.options, ...extra, app.main], settings);
      const postgres = join(computer.dataDir, 'postgres');
      const major = readdirSync(postgres).find((name) => /^\d+$/.test(name)) ?? '';
      const [pid, , , port, socketDir] = readFileSync(join(postgres, major, 'postmaster.pid'), 'utf8').split('\n');
      const connection = { host: socketDir ?? '', port: Number(port), user: 'licence', database: 'licence' };
      return {
        name,
        ...started,
        token: tokenOf('client'),
        adminToken: tokenOf('admin'),
        fixture: new Fixture(connection, dir),
        postgresPid: Number(pid),
        dataDir: computer.dataDir,
      };
    },
  };
}

/** A plain transaction a request, on a PostgreSQL of its own with the same settings. */
export async function startDesignA(dir: string): Promise<Contestant & { readonly major: number }> {
  const log = createLog('bench', 'warn');
  const postgres = await startEmbedded({ root: join(dir, 'design-a'), database: 'design_a', migrations: dir }, log);
  await migrate(postgres.connection, migrationsDir);
  const fixture = new Fixture(postgres.connection, dir);
  await fixture.query("INSERT INTO pool (product) VALUES ('erp')");
  const { host, port, user, database } = postgres.connection as pg.ClientConfig & { host: string };
  const url = `postgres://${user}@${encodeURIComponent(host)}:${port}/${database}`;
  const started = await start(process.execPath, [join(here, 'designA.ts')], { DATABASE_URL: url });
  return {
    name: 'design A',
    ...started,
    token: 'none',
    fixture,
    postgresPid: postgres.pid() ?? 0,
    major: postgres.major,
    stop: async () => {
      await started.stop();
      await postgres.stop(8_000);
    },
  };
}

export async function startBare(): Promise<Contestant> {
  return { name: 'bare', token: 'none', ...(await start(process.execPath, [join(here, 'bare.ts')], {})) };
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

/** A keygen-relay binary, with licences of the bench's own in its database. */
export async function startRelay(binary: string, dir: string): Promise<Contestant> {
  const port = await freePort();
  const database = join(dir, 'relay.sqlite');
  const args = ['serve', '--bind', '127.0.0.1', '--port', String(port), '--database', database];
  const child = spawn(binary, [...args, '--ttl', '1h', '--cull-interval', '1h'], { stdio: 'ignore' });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const stop = () => {
    child.kill('SIGTERM');
    return exited;
  };
  try {
    const leaseFile = await fillRelay(port, database, dir);
    return { name: 'keygen-relay', port, token: 'none', pid: child.pid ?? 0, leaseFile, stop };
  } catch (error) {
    await stop();
    throw new Error(`PEER_RELAY=${binary} cannot be measured: ${error instanceof Error ? error.message : error}`);
  }
}
