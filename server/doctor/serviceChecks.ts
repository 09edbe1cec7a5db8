import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type pg from 'pg';
import { Agent, fetch } from 'undici';
import { parseTrustedKeys } from '../../licence/jwks.ts';
import { ConfigFault } from '../../runtime/config.ts';
import { type Address, databaseAddress } from '../../runtime/database/address.ts';
import { messageOf } from '../../runtime/database/fault.ts';
import { type DatabaseConfig, Session, setUp } from '../../runtime/database/session.ts';
import { tryDatabase } from '../../runtime/database/waitForDatabase.ts';
import { functionsName } from '../../runtime/databaseFunctions.ts';
import { directoryHolder } from '../../runtime/directoryLock.ts';
import { http1 } from '../../runtime/http1.ts';
import { readMigrations } from '../../runtime/migrate.ts';
import {
  type Contents,
  choose,
  contentsOf,
  dataOf,
  platformRefusal,
  socketPlace,
} from '../../runtime/postgres/dataDirectory.ts';
import { rightsFault } from '../../runtime/postgres/dataRights.ts';
import {
  findInstallations,
  type Installations,
  ownerOfData,
  unprivilegedAccount,
} from '../../runtime/postgres/programs.ts';
import { isRetired, readRetired } from '../../runtime/retiredMigrations.ts';
import { readSmallFileSync } from '../../runtime/smallFile.ts';
import { migrationsDir } from '../db/database.ts';
import type { Trust } from '../keys/trust.ts';
import { poolSetup } from '../seats/seatSql.ts';
import type { ServerConfig } from '../settings.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

// Checks of what runs: here, and elsewhere. Nothing is started.

const codeOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : error;
  return (
    ('code' in cause && typeof cause.code === 'string' ? cause.code : cause.message) || error.message || error.name
  );
};

/** Who has the data directory; `undefined` is nobody. */
export function checkLock(config: ServerConfig): { finding: Finding; holder: string | undefined } {
  const holder = directoryHolder(config.LICENCE_DATA_DIR, 'licence-server');
  const said = holder === undefined ? 'free: no server runs on it' : `a server runs on it (process ${holder})`;
  return { holder, finding: ok('lock', said) };
}

/** The embedded PostgreSQL: its programs, and whether they may use the data. */
export async function checkEmbedded(config: ServerConfig, isRunning: boolean): Promise<Finding[]> {
  if (config.DATABASE_URL !== undefined) return [];
  const check = 'postgres';
  const root = join(config.LICENCE_DATA_DIR, 'postgres');
  const refusal = platformRefusal(process.platform);
  if (refusal !== undefined) return [fail(check, refusal, 'set DATABASE_URL')];
  const installed = await findInstallations(config.LICENCE_POSTGRES_BIN);
  let contents: Contents;
  try {
    contents = contentsOf(root);
  } catch (error) {
    return [fail(check, `${root} cannot be read (${codeOf(error)})`, 'run this as the user that runs the server')];
  }
  const judged = judgeEmbedded(installed, contents, isRunning, (major) => versionIn(dataOf(root, major)));
  return [...judged, ...contents.data.flatMap((major) => checkRights(dataOf(root, major)))];
}

/** PostgreSQL refuses data that others may write, or that are another user's. */
function checkRights(data: string): Finding[] {
  const check = 'postgres-rights';
  if (!existsSync(data)) return [];
  const fault = rightsFault(data, ownerOfData(unprivilegedAccount()));
  if (fault === undefined) return [];
  const said = `${fault.path} ${fault.what}`;
  return [
    fault.isMended
      ? warn(check, said, `the next start puts it right; or ${fault.command}`)
      : fail(check, said, fault.command),
  ];
}

/** Pure but for `versionIn`: what PG_VERSION says of a major's data, undefined if it cannot be read. */
export function judgeEmbedded(
  installed: Installations,
  contents: Contents,
  isRunning: boolean,
  versionIn: (major: number) => string | undefined,
): Finding[] {
  const check = 'postgres';
  const last = Math.max(...contents.data, 0);
  const choice = choose(installed, contents);
  if (choice.kind === 'refuse') {
    const todo =
      "install it, or name the directory of its programs in LICENCE_POSTGRES_BIN (several: with ':' between them)";
    return [fail(check, choice.message, todo)];
  }
  const { major, bin } = choice.installation;
  if (choice.kind === 'initialise') return [ok(check, `${major} in ${bin}; the first start makes the data`)];
  const version = versionIn(last);
  if (version !== undefined && version !== String(last)) {
    return [
      fail(
        check,
        `the data in ${last} say that they are of PostgreSQL ${version}`,
        'somebody moved directories: put them back',
      ),
    ];
  }
  if (choice.kind === 'upgrade' && !isRunning) {
    return [
      warn(
        check,
        `the next start takes the data of ${choice.from.major} over into ${major}`,
        'export before: licence-server export',
      ),
    ];
  }
  return [ok(check, `${major} in ${bin}, and data of it`)];
}

const versionIn = (dir: string): string | undefined => {
  try {
    return readFileSync(join(dir, 'PG_VERSION'), 'utf8').trim();
  } catch {
    return undefined;
  }
};

/** The database, where one is to be reached: that of DATABASE_URL, or the embedded one of a running server. */
export async function checkDatabase(config: ServerConfig, isRunning: boolean): Promise<Finding[]> {
  const check = 'database';
  const embedded = config.DATABASE_URL === undefined;
  if (embedded && !isRunning) return [];
  const host = socketPlace(config.LICENCE_SOCKET_DIR, join(config.LICENCE_DATA_DIR, 'postgres'));
  if (embedded && !existsSync(host))
    return [warn(check, `the socket of the running server is not at ${host}`, 'set the same LICENCE_SOCKET_DIR')];
  let address: Pick<Address, 'config' | 'notes'>;
  try {
    address = embedded
      ? { config: { host, port: 5432, user: 'licence', database: 'licence' }, notes: [] }
      : databaseAddress(config.DATABASE_URL ?? '', config.DATABASE_CA, process.env, 'licence-server-doctor');
  } catch (error) {
    if (!(error instanceof ConfigFault)) throw error;
    return error.faults.map((fault) => fail(check, fault, 'correct it'));
  }
  const notes = address.notes.map((note) => warn(check, note, 'leave it out, or see docs/databases.md'));
  const obstacle = await tryDatabase(address.config, poolSetup, 'lease');
  if (obstacle !== undefined) {
    const todo = embedded ? 'see the log of the server' : obstacle.todo;
    return [...notes, fail(check, `it cannot be used: ${obstacle.message}`, todo)];
  }
  return [...notes, await judgeLedger(address.config)];
}

/** Of a database that can be used: which ledger it has. */
async function judgeLedger(config: DatabaseConfig): Promise<Finding> {
  const check = 'database';
  const client = new Session({ connectionTimeoutMillis: 5_000, query_timeout: 5_000, ...config });
  client.on('error', () => {}); // told by the rejected query
  try {
    await client.connect();
    await setUp(client, poolSetup);
    return await ledgerFinding(client);
  } catch (error) {
    return fail(check, `it cannot be used: ${messageOf(error)}`, 'look again');
  } finally {
    await client.end().catch(() => {});
  }
}

async function ledgerFinding(client: pg.Client): Promise<Finding> {
  const check = 'database';
  await client.query('BEGIN READ ONLY');
  const { rows } = await client.query<{ version: number; ledger: boolean; schema: string }>(
    `SELECT current_setting('server_version_num')::int / 10000 AS version, to_regclass('migration') IS NOT NULL AS ledger,
            current_schema() AS schema`,
  );
  const [found] = rows;
  const where = `PostgreSQL ${found?.version}${found?.schema === 'public' ? '' : `, schema ${found?.schema}`}`;
  if (!found?.ledger) return ok(check, `${where}, empty; the first start makes the tables`);
  const { rows: applied } = await client.query<{ name: string; hash: string }>('SELECT name, hash FROM migration');
  const known = readMigrations(migrationsDir);
  const retired = readRetired(migrationsDir);
  const foreign = applied.find(
    (a) =>
      a.name !== functionsName && !isRetired(retired, a) && !known.some((k) => k.name === a.name && k.hash === a.hash),
  );
  if (foreign)
    return fail(
      check,
      `it has the migration ${foreign.name} that this program does not know`,
      'use a newer version of the server',
    );
  const missing = known.filter((k) => !applied.some((a) => a.name === k.name)).length;
  const { rows: leases } = await client.query<{ n: number }>('SELECT coalesce(sum(in_use), 0)::int AS n FROM pool');
  return ok(
    check,
    `${where}, ${leases[0]?.n ?? 0} seats in use${missing === 0 ? '' : `; the next start brings the schema up to date (${missing})`}`,
  );
}

/** The authority is needed for changes, never for service. */
export async function checkAuthority(config: ServerConfig, trust: Trust, nowMs: () => number): Promise<Finding[]> {
  const check = 'authority';
  const url = config.LICENCE_AUTHORITY_URL;
  if (url === undefined) return [ok(check, 'none is configured: keys are activated by request and response')];
  const dispatcher = new Agent({
    ...http1,
    connect: {
      timeout: 5_000,
      ...(config.LICENCE_AUTHORITY_CA === undefined ? {} : { ca: readSmallFileSync(config.LICENCE_AUTHORITY_CA) }),
    },
  });
  try {
    const response = await fetch(`${url.replace(/\/+$/, '')}/.well-known/jwks.json`, {
      dispatcher,
      redirect: 'error',
      signal: AbortSignal.timeout(5_000),
    });
    const parsed = parseTrustedKeys(await response.text());
    if (!response.ok || !parsed.ok) {
      return [
        fail(check, `${url} answers, but not as an authority does (${response.status})`, 'check LICENCE_AUTHORITY_URL'),
      ];
    }
    const unknown = [...parsed.keys.keys()].filter((kid) => !trust.keys.has(kid));
    const findings: Finding[] = [
      unknown.length === 0
        ? ok(check, `${url} answers, and its keys are trusted`)
        : warn(
            check,
            `it signs with keys that are not trusted: ${unknown.join(', ')}`,
            'save its /.well-known/jwks.json again, over a way that you trust',
          ),
    ];
    const itsMs = Date.parse(response.headers.get('date') ?? '');
    const apartMs = Math.abs(itsMs - nowMs());
    if (apartMs > 5 * 60_000) {
      findings.push(
        fail(
          'clock',
          `it is ${Math.round(apartMs / 1000)} s away from the authority's`,
          'set it: activations are refused',
        ),
      );
    }
    return findings;
  } catch (error) {
    return [
      warn(check, `${url} cannot be reached (${codeOf(error)})`, 'what is activated serves without it; new keys wait'),
    ];
  } finally {
    await dispatcher.destroy();
  }
}

/** Whether the port can be had; nobody is kept from it but for a moment. */
export async function checkPort(config: ServerConfig, isRunning: boolean): Promise<Finding> {
  const check = 'port';
  const { host, port } = config.LICENCE_LISTEN;
  if (port === 0) return ok(check, 'the system chooses one');
  const server = createServer();
  const code = await new Promise<string | undefined>((resolve) => {
    server.on('error', (error) => resolve(codeOf(error)));
    server.listen({ host, port, exclusive: true }, () => resolve(undefined));
  });
  if (code === undefined) {
    await new Promise((resolve) => server.close(resolve));
    return isRunning
      ? warn(
          check,
          `${port} on ${host} is free, though a server runs`,
          'it may listen elsewhere: compare LICENCE_LISTEN',
        )
      : ok(check, `${port} on ${host} is free`);
  }
  if (code === 'EADDRINUSE') {
    return isRunning
      ? ok(check, `${port} on ${host} is in use, and a server runs`)
      : fail(check, `${port} on ${host} is in use`, 'stop the other program, or set LICENCE_LISTEN');
  }
  const why = code === 'EACCES' ? 'ports below 1024 are for root' : 'no such address on this computer';
  return fail(check, `${port} on ${host} cannot be had (${code}): ${why}`, 'set LICENCE_LISTEN');
}
