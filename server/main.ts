import '../runtime/stopRequest.ts';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import packageJson from '../package.json' with { type: 'json' };
import { systemClock } from '../runtime/clock.ts';
import { closeHttp } from '../runtime/httpDrain.ts';
import { listenOn } from '../runtime/httpShell.ts';
import { createLog, type Logger } from '../runtime/log.ts';
import { createProgramMetrics, type Metrics } from '../runtime/metrics.ts';
import { runProgram } from '../runtime/program.ts';
import { Lifetime, unlessAborted } from '../runtime/shutdown.ts';
import { stopRequest } from '../runtime/stopRequest.ts';
import type { AccessMode } from './access/access.ts';
import { inClusterDir, inClusterUrl } from './access/apiServer.ts';
import { followPods, ServiceAccounts } from './access/serviceAccounts.ts';
import { makeTokens, TokenFiles } from './access/tokens.ts';
import { createApp } from './app.ts';
import { Backups } from './backup/backups.ts';
import { hasDestination } from './backup/openDestination.ts';
import { commands } from './commands.ts';
import { DataVolume } from './dataVolume.ts';
import { type Database, openDatabase } from './db/database.ts';
import { createAuthorityClient } from './keys/authorityClient.ts';
import { folderIdOf } from './keys/folderId.ts';
import { type Identity, loadIdentity } from './keys/identity.ts';
import { createKeys } from './keys/keys.ts';
import { createLedgerOwner } from './keys/ledgerOwner.ts';
import { Loop } from './loop.ts';
import { GroupFiles } from './seats/groupFiles.ts';
import { SeatMetrics } from './seats/seatMetrics.ts';
import { SeatStore } from './seats/store.ts';
import { computerIn, type ServerConfig, settings } from './settings.ts';
import { followCertificate, readCertificate } from './tls.ts';
import { finishImport } from './transfer/importServer.ts';
import { UsageHistory } from './usage/usageHistory.ts';

/** The data directory, made if need be. @throws Error naming it when it cannot be used. */
function prepareDataDir(dir: string): void {
  const licences = join(dir, 'Licence');
  try {
    mkdirSync(licences, { recursive: true, mode: 0o700 });
    accessSync(licences, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `cannot use ${licences}: ${why}; give this program the right to read and write there, or set LICENCE_DATA_DIR`,
    );
  }
}

function accessOf(
  config: ServerConfig,
  accounts: ServiceAccounts | undefined,
  log: Logger,
  life: Lifetime,
): AccessMode {
  if (config.LICENCE_ACCESS === 'open') {
    log.warn('access is open: whoever reaches this server may do everything');
    return { kind: 'open' };
  }
  const dir = config.LICENCE_TOKENS_DIR ?? join(config.LICENCE_DATA_DIR, 'tokens');
  if (config.LICENCE_TOKENS_DIR === undefined) {
    makeTokens(dir);
    log.info({ dir }, 'tokens are in the files client, admin and metrics of this directory');
  }
  const tokens = new TokenFiles(dir, log);
  tokens.start();
  life.onStop('tokens', () => tokens.stop());
  return accounts === undefined
    ? { kind: 'token', tokens }
    : { kind: 'serviceaccount', tokens, subjectOf: accounts.subjectOf };
}

/** Within this the server has stopped, counted from the end of the drain; PostgreSQL gets what the others leave of it. */
const stopMs = 10_000;

async function run(config: ServerConfig, stop: AbortSignal): Promise<number> {
  const log = createLog('licence-server', config.LOG_LEVEL);
  const drainMs = config.LICENCE_DRAIN_SECONDS * 1000;
  const life = new Lifetime(log, stopMs + drainMs, stop);
  return life.run(() => start(config, log, life));
}

/** Reads the groups of the rules now, and every few seconds from then on. */
async function followGroups(dir: string | undefined, store: SeatStore, log: Logger, life: Lifetime): Promise<void> {
  if (dir === undefined) return;
  const files = new GroupFiles(dir);
  const read = async () => {
    await store.setGroups(await files.read());
    return false;
  };
  await read();
  const loop = new Loop(groupsEveryMs, read, (error) =>
    log.warn({ err: error }, 'the groups could not be taken up'),
  ).start();
  life.onStop('groups', () => loop.stop());
}
const groupsEveryMs = 3_000;

/** Starts all parts, each after those that it needs. Whatever waits is left when the program is asked to end. */
async function start(config: ServerConfig, log: Logger, life: Lifetime): Promise<void> {
  const startedAt = new Date();
  const drainMs = config.LICENCE_DRAIN_SECONDS * 1000;
  const dataDir = config.LICENCE_DATA_DIR;
  prepareDataDir(dataDir);
  finishImport(dataDir);
  const tls = config.LICENCE_TLS_DIR === undefined ? undefined : readCertificate(config.LICENCE_TLS_DIR);
  const accounts =
    config.LICENCE_ACCESS === 'serviceaccount'
      ? new ServiceAccounts({
          apiUrl: inClusterUrl(process.env),
          dir: inClusterDir,
          audience: config.LICENCE_AUDIENCE,
          log,
        })
      : undefined;
  if (accounts) life.onStop('service accounts', () => accounts.close());
  const access = accessOf(config, accounts, log, life);
  const identity = await loadIdentity({
    dataDir,
    ...(config.LICENCE_IDENTITY_FILE === undefined ? {} : { file: config.LICENCE_IDENTITY_FILE }),
  });
  const database = await openDatabase(
    {
      url: config.DATABASE_URL,
      caFile: config.DATABASE_CA,
      dataDir,
      socketDir: config.LICENCE_SOCKET_DIR,
      postgresBin: config.LICENCE_POSTGRES_BIN,
    },
    log,
    life.signal,
  );
  life.onStop('database', (leftMs) => database.stop(leftMs));

  const metrics = createProgramMetrics();
  const dataVolume = new DataVolume(dataDir, log, metrics);
  await dataVolume.start();
  life.onStop('data volume', () => dataVolume.stop());
  const seatMetrics = new SeatMetrics(metrics);
  const store = new SeatStore({
    connection: database.connection,
    leaseMs: config.LICENCE_LEASE_SECONDS * 1000,
    staleAfterMs: config.LICENCE_STALE_AFTER_SECONDS * 1000,
    reservations: config.LICENCE_RESERVATIONS,
    rules: config.LICENCE_RULES,
    // an embedded database lies in the data directory, which one server has locked
    isAlone: config.DATABASE_URL === undefined,
    log,
    metrics: seatMetrics,
  });
  life.onStop('seats', () => store.stop(), 3_000);
  if (accounts) life.onStop('pods', followPods(accounts, store, log));
  const clearing = await unlessAborted(life.signal, store.start(config.LICENCE_CLEAR_STALE));
  await followGroups(config.LICENCE_GROUPS_DIR, store, log, life);
  const usage = new UsageHistory({
    db: store.db,
    historyDays: config.LICENCE_HISTORY_DAYS,
    failed: (op, error) => store.troubled(op, error),
  });
  usage.start();
  life.onStop('usage', () => usage.stop(), 1_000);

  const { LICENCE_AUTHORITY_URL: authorityUrl, LICENCE_AUTHORITY_CA: caFile } = config;
  const authority =
    authorityUrl === undefined
      ? undefined
      : createAuthorityClient({ url: authorityUrl, caFile, proxyFile: config.LICENCE_PROXY_FILE });
  if (authority) life.onStop('authority', () => authority.close());
  const keys = await createKeys({
    log,
    clock: systemClock,
    metrics,
    identity,
    dataDir,
    setEntitlements: (products, again) => store.setEntitlements(products, again),
    // an embedded database lies in the data directory, which one server has locked: nobody else can serve it
    ...(config.DATABASE_URL === undefined
      ? {}
      : {
          owner: createLedgerOwner(store.db, {
            fingerprint: identity.fingerprint,
            folder: await folderIdOf(join(dataDir, 'Licence')),
            takeOverFrom: config.LICENCE_TAKE_OVER_FROM,
          }),
        }),
    ...(config.LICENCE_KEYS_DIR === undefined ? {} : { keysDir: config.LICENCE_KEYS_DIR }),
    ...(config.LICENCE_TRUSTED_KEYS === undefined ? {} : { trustFile: config.LICENCE_TRUSTED_KEYS }),
    ...(authority === undefined ? {} : { authority }),
    ...(config.LICENCE_REACTIVATE === undefined ? {} : { reactivate: config.LICENCE_REACTIVATE }),
    exclusively: (work) => store.exclusively(work),
  });
  life.onStop('keys', () => keys.stop(), 2_000);
  store.termsAgain.setReader(() => keys.look());
  await unlessAborted(life.signal, keys.start());

  const backups = startBackups(config, { identity, database, store, metrics, log });
  if (backups) life.onStop('backups', () => backups.stop(), 3_500);

  const http = await createApp({
    log,
    version: packageJson.version,
    startedAt,
    access,
    metrics,
    seatMetrics,
    store,
    database:
      config.DATABASE_URL === undefined
        ? { own: database.connection }
        : { url: config.DATABASE_URL, caFile: config.DATABASE_CA },
    keys,
    identity,
    usage,
    dataVolume,
    backups,
    activationOf: (keyId) => keys.activationOf(keyId),
    clearing: () => clearing,
    stopping: () => life.signal.aborted,
    limits: {
      keepAliveSeconds: config.LICENCE_KEEP_ALIVE_SECONDS,
      ...(config.LICENCE_PATH_PREFIX === undefined ? {} : { pathPrefix: config.LICENCE_PATH_PREFIX }),
      ...(tls === undefined ? {} : { https: tls }),
      ...(config.LICENCE_TRUSTED_PROXIES === undefined ? {} : { trustedProxies: config.LICENCE_TRUSTED_PROXIES }),
    },
  });
  http.server.headersTimeout = 15_000; // a request's head may not trickle in
  await http.ready();
  const address = await listenOn(http, config.LICENCE_LISTEN);
  life.onStop('http', () =>
    closeHttp(http, {
      delayMs: drainMs,
      beforeClose: () => store.waitingRoom.close(), // who waits for a seat is answered, so that closing need not wait
    }),
  );
  if (config.LICENCE_TLS_DIR !== undefined) {
    const stop = followCertificate(http.server as never, config.LICENCE_TLS_DIR, log);
    life.onStop('certificate', stop);
  }
  log.info({ address, version: packageJson.version, fingerprint: identity.fingerprint }, 'ready');
}

interface BackupParts {
  readonly identity: Identity;
  readonly database: Database;
  readonly store: SeatStore;
  readonly metrics: Metrics;
  readonly log: Logger;
}

function startBackups(config: ServerConfig, { identity, database, store, metrics, log }: BackupParts) {
  const { LICENCE_BACKUP_SCHEDULE: schedule } = config;
  const isPlaced = hasDestination(config);
  if (schedule === undefined) return undefined;
  if (!isPlaced) {
    throw new Error('LICENCE_BACKUP_SCHEDULE needs a place: set LICENCE_BACKUP_DIR, or LICENCE_BACKUP_S3_ENDPOINT');
  }
  const source = {
    ...computerIn(config),
    fingerprint: identity.fingerprint,
    version: packageJson.version,
    // another one's is reached by its address anew: what stands in it may be no plain data
    ...(config.DATABASE_URL === undefined ? { connection: database.connection } : {}),
  };
  const isAlone = config.DATABASE_URL === undefined;
  const times = { ...config, LICENCE_BACKUP_SCHEDULE: schedule };
  return new Backups({ source, config: times, db: store.db, log, clock: systemClock, metrics, isAlone }).start();
}

await runProgram(
  {
    name: 'licence-server',
    purpose: 'counts the floating seats of products and keeps their keys',
    settings,
    prefixes: ['LICENCE_'],
    run,
    commands,
  },
  stopRequest,
);
