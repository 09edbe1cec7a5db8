import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { socketPlace } from '../../../../runtime/postgres/dataDirectory.ts';
import { type EmbeddedPostgres, startEmbedded } from '../../../../runtime/postgres/embedded.ts';
import { findInstallations, unprivilegedAccount } from '../../../../runtime/postgres/programs.ts';
import { endsOnceItIsUp, shimPostgres } from '../../../support/shimPostgres.ts';
import { until } from '../../server/support/serverProcess.ts';

let dir: string;
let root: string;
let major: number;
let running: EmbeddedPostgres | undefined;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'embedded-'));
  root = join(dir, 'with a space');
  major = (await findInstallations()).all[0]?.major ?? 0;
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const start = async (): Promise<EmbeddedPostgres> => {
  running = await startEmbedded({ root, database: 'ledger', migrations: dir }, pino({ level: 'silent' }));
  return running;
};
const pidOf = (postgres: EmbeddedPostgres): number => postgres.pid() ?? Number.NaN;
const modeOf = (path: string): number => statSync(path).mode & 0o777;
async function query(postgres: EmbeddedPostgres, sql: string): Promise<unknown[]> {
  const client = new pg.Client(postgres.connection);
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}
/** The sockets of a process that listen for TCP. */
function tcpOf(pid: number): string[] {
  const sockets = readdirSync(`/proc/${pid}/fd`)
    .map((fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1])
    .filter((inode) => inode !== undefined);
  const listening = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns[3] === '0A')
      .map((columns) => columns[9]),
  );
  expect(sockets.length).toBeGreaterThan(0); // its unix socket at least
  return sockets.filter((inode) => listening.includes(inode));
}

describe('PostgreSQL as a child', () => {
  it('begins again where a first start was cut short, listens on no network, and lets in nobody else', async () => {
    mkdirSync(join(root, `${major}.draft`, 'base'), { recursive: true });
    const postgres = await start();
    await query(postgres, 'CREATE TABLE kept AS SELECT 1 AS n');
    expect(readdirSync(root)).toEqual([String(major)]);
    expect(tcpOf(pidOf(postgres))).toEqual([]);
    const socket = String(postgres.connection.host);
    expect([modeOf(socket), modeOf(join(root, String(major)))]).toEqual([0o700, 0o700]);
    expect(Buffer.byteLength(join(socket, '.s.PGSQL.5432'))).toBeLessThan(107);
    await postgres.stop();
    expect(existsSync(socket)).toBe(false);
    expect(readdirSync(root)).toEqual([String(major)]);
  });

  it('takes the locks that a crash has left, of the data and of the socket, for stale, and leaves alone whoever has that number by now', async () => {
    const account = unprivilegedAccount() ?? {}; // of PostgreSQL's own user: another's it would not mind
    const other = spawn('sleep', ['600'], { stdio: 'ignore', ...account });
    const socket = socketPlace(undefined, realpathSync(root));
    try {
      const pidFile = join(root, String(major), 'postmaster.pid');
      writeFileSync(join(root, `${major}.dump`), 'of a stop of an earlier version');
      writeFileSync(pidFile, `${other.pid}\n${join(root, String(major))}\n`);
      mkdirSync(socket, { mode: 0o700 });
      const lock = join(socket, '.s.PGSQL.5432.lock');
      writeFileSync(lock, `${other.pid}\n${join(root, String(major))}\n0\n5432\n${socket}\n`);
      const postgres = await start();
      expect(await query(postgres, 'SELECT n FROM kept')).toEqual([{ n: 1 }]);
      expect(Number(readFileSync(pidFile, 'utf8').split('\n')[0])).toBe(pidOf(postgres));
      expect(existsSync(join(root, `${major}.dump`))).toBe(false); // it is old from now on
      expect([other.exitCode, other.signalCode]).toEqual([null, null]);
    } finally {
      other.kill('SIGKILL');
    }
  });

  it('comes back by itself when it was killed, with all that was committed', async () => {
    const postgres = await start();
    await query(postgres, 'INSERT INTO kept VALUES (2)');
    const before = pidOf(postgres);
    process.kill(before, 'SIGKILL');
    const rows = await until('it to come back', async () => {
      const found = await query(postgres, 'SELECT n FROM kept ORDER BY 1');
      return postgres.pid() !== before && found;
    });
    expect(rows).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it('that ends just as it has come up is started again like any other', async () => {
    const mark = join(tmpdir(), `ended-once-${process.pid}`);
    const shim = await shimPostgres(endsOnceItIsUp(mark));
    try {
      const how = { root, database: 'ledger', migrations: dir, bin: shim.bin };
      running = await startEmbedded(how, pino({ level: 'silent' }));
      expect(existsSync(mark)).toBe(true);
      const postgres = running;
      expect(await until('it to come back', () => query(postgres, 'SELECT n FROM kept ORDER BY 1'))).toEqual([
        { n: 1 },
        { n: 2 },
      ]);
    } finally {
      await running?.stop();
      rmSync(mark, { recursive: true, force: true });
      shim.remove();
    }
  });
});
