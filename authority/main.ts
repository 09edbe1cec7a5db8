import '../runtime/stopRequest.ts';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { systemClock } from '../runtime/clock.ts';
import { type Config, checkedText, integer, listen, networks, oneOf, text, textOr } from '../runtime/config.ts';
import { databaseAddress, uriFault } from '../runtime/database/address.ts';
import { DatabasePool } from '../runtime/database/pool.ts';
import type { DatabaseConfig } from '../runtime/database/session.ts';
import { waitForDatabase } from '../runtime/database/waitForDatabase.ts';
import { lockDirectory } from '../runtime/directoryLock.ts';
import { closeHttp } from '../runtime/httpDrain.ts';
import { keepAliveSeconds, listenOn } from '../runtime/httpShell.ts';
import { createLog, type Logger, logLevels } from '../runtime/log.ts';
import { createProgramMetrics } from '../runtime/metrics.ts';
import { migrate } from '../runtime/migrate.ts';
import { startEmbedded } from '../runtime/postgres/embedded.ts';
import { runProgram } from '../runtime/program.ts';
import { Lifetime, unlessAborted } from '../runtime/shutdown.ts';
import { readSmallFile } from '../runtime/smallFile.ts';
import { stopRequest } from '../runtime/stopRequest.ts';
import { ensureTokens, tokensFrom } from './access.ts';
import { createAuthority } from './app.ts';
import { createIdentityProvider, type IdentityProvider, isLoopback } from './cabinet/identityProvider.ts';
import { openSecretBox } from './cabinet/secretBox.ts';
import { ledger, poolSetup } from './database.ts';
import { clonePolicies } from './decideActivation.ts';
import { perMinute } from './rates.ts';
import { openSigningKeys } from './signingKeys.ts';

/** A user without a name, as in a container, may have no home either. */
function homeOf(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}

const cabinetUrlFault = (value: string): string | undefined =>
  URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
    ? undefined
    : 'must be an address such as https://licences.example.org/';
const issuerFault = (value: string): string | undefined =>
  URL.canParse(value) && (new URL(value).protocol === 'https:' || isLoopback(new URL(value).hostname))
    ? undefined
    : 'must be an https address, such as https://login.example.org/';

const settings = {
  AUTHORITY_LISTEN: listen('address of the HTTP API', '127.0.0.1:8090'),
  DATABASE_URL: checkedText(
    'PostgreSQL for licences and keys, as a URI; unset: an embedded one in the data directory',
    uriFault,
  ),
  DATABASE_CA: text('PEM file of the certificate authorities of DATABASE_URL, unless its sslrootcert names one'),
  AUTHORITY_DATA_DIR: textOr(
    'signing keys, and the embedded database',
    join(homeOf(), '.local/share/licence-authority'),
  ),
  AUTHORITY_TOKENS_DIR: text(
    'files vendor, customer, cabinet and metrics, a token a line; default: tokens in the data directory, made once',
  ),
  AUTHORITY_CLONES: oneOf(
    'an activation that shows a copied identity: report it, or refuse it too',
    clonePolicies,
    'report',
  ),
  AUTHORITY_TOKEN_RATE: integer('requests a minute of one token', 600, 1, 1_000_000),
  AUTHORITY_ACTIVATION_RATE: integer('activations and checks a minute from one address', 300, 1, 1_000_000),
  AUTHORITY_FAILURE_RATE: integer('wrong tokens and unknown keys a minute from one address', 60, 1, 1_000_000),
  AUTHORITY_TRUSTED_PROXIES: networks('whose X-Forwarded-For is believed; without: the peer is the client'),
  AUTHORITY_KEEP_ALIVE_SECONDS: integer(
    'an idle connection is kept so long; give more than the load balancer in front does, or it meets closed ones',
    keepAliveSeconds,
    1,
    3_600,
  ),
  AUTHORITY_CABINET_URL: checkedText(
    'where people find the cabinet; needed for the identity provider',
    cabinetUrlFault,
  ),
  AUTHORITY_SESSION_IDLE_MINUTES: integer('after which a session without requests ends', 30, 1, 10_080),
  AUTHORITY_SESSION_HOURS: integer('after which a session ends whatever one does', 12, 1, 720),
  AUTHORITY_INVITATION_HOURS: integer('for which an invitation is good', 72, 1, 720),
  AUTHORITY_OIDC_ISSUER: checkedText(
    'OpenID Connect provider that people may sign in by; unset: passwords only',
    issuerFault,
  ),
  AUTHORITY_OIDC_CLIENT_ID: text('what the provider knows the cabinet as'),
  AUTHORITY_OIDC_CLIENT_SECRET_FILE: text('file with the secret that the provider gave it'),
  AUTHORITY_OIDC_NAME: textOr('what people call the provider: the words of the button', 'OpenID Connect'),
  LICENCE_POSTGRES_BIN: text(
    "directories of PostgreSQL's programs, as in PATH, for the embedded one; default: searched",
  ),
  LICENCE_SOCKET_DIR: text('where the embedded PostgreSQL has its socket; default: a directory for temporary files'),
  LOG_LEVEL: oneOf('how much is logged', logLevels, 'info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: text('where traces go; unset: none'),
};

// Beside this file in the sources, beside the bundle in an image.
const migrations = fileURLToPath(new URL('./migrations', import.meta.url));

await runProgram(
  {
    name: 'licence-authority',
    purpose: "the vendor's side: issues, activates, regenerates, renews and revokes keys",
    settings,
    prefixes: ['AUTHORITY_'],
    run: async (config, stop) => {
      const log = createLog('licence-authority', config.LOG_LEVEL);
      const lifetime = new Lifetime(log, 10_000, stop);
      return lifetime.run(() => start(config, log, lifetime));
    },
  },
  stopRequest,
);

/** Starts all parts, each after those that it needs. Whatever waits is left when the program is asked to end. */
async function start(config: Config<typeof settings>, log: Logger, lifetime: Lifetime): Promise<void> {
  const dataDir = config.AUTHORITY_DATA_DIR;
  const signingKeys = await openSigningKeys(dataDir, systemClock.now());
  const tokensDir = config.AUTHORITY_TOKENS_DIR ?? join(dataDir, 'tokens');
  if (config.AUTHORITY_TOKENS_DIR === undefined) await ensureTokens(tokensDir);

  const connection = config.DATABASE_URL
    ? await external(config.DATABASE_URL, config.DATABASE_CA, log, lifetime.signal)
    : await embedded(dataDir, config, log, lifetime);
  await unlessAborted(lifetime.signal, migrate(connection, migrations, { ledger, log }));
  const pool = new DatabasePool(connection, poolSetup, 10);
  lifetime.onStop('database connections', () => pool.end());

  const provider = await identityProvider(config);
  const readTokens = tokensFrom(tokensDir, systemClock.now, (message) => log.warn(message));
  const proxies = config.AUTHORITY_TRUSTED_PROXIES;
  const http = createAuthority(
    {
      log,
      metrics: createProgramMetrics(),
      pool,
      signingKeys,
      readTokens,
      clonePolicy: config.AUTHORITY_CLONES,
      rates: {
        token: perMinute(config.AUTHORITY_TOKEN_RATE),
        activation: perMinute(config.AUTHORITY_ACTIVATION_RATE),
        failure: perMinute(config.AUTHORITY_FAILURE_RATE, 20),
      },
      cabinet: {
        sessionTimes: {
          idleMs: config.AUTHORITY_SESSION_IDLE_MINUTES * 60_000,
          wholeMs: config.AUTHORITY_SESSION_HOURS * 3_600_000,
        },
        invitationMs: config.AUTHORITY_INVITATION_HOURS * 3_600_000,
        secrets: await openSecretBox(dataDir),
        ...(provider === undefined ? {} : { provider }),
      },
    },
    {
      keepAliveSeconds: config.AUTHORITY_KEEP_ALIVE_SECONDS,
      ...(proxies === undefined ? {} : { trustedProxies: proxies }),
    },
  );
  lifetime.onStop('http', () => closeHttp(http));
  await http.ready();
  const address = await listenOn(http, config.AUTHORITY_LISTEN);
  log.info({ address, tokensDir, kid: signingKeys.active().kid }, 'ready');
}

/** @throws what of its settings is missing, or cannot be read */
async function identityProvider(config: Config<typeof settings>): Promise<IdentityProvider | undefined> {
  const issuer = config.AUTHORITY_OIDC_ISSUER;
  if (issuer === undefined) return undefined;
  const [clientId, secretFile] = [config.AUTHORITY_OIDC_CLIENT_ID, config.AUTHORITY_OIDC_CLIENT_SECRET_FILE];
  const cabinetUrl = config.AUTHORITY_CABINET_URL;
  if (clientId === undefined || secretFile === undefined || cabinetUrl === undefined) {
    throw new Error(
      'AUTHORITY_OIDC_ISSUER needs AUTHORITY_OIDC_CLIENT_ID, AUTHORITY_OIDC_CLIENT_SECRET_FILE and AUTHORITY_CABINET_URL; set them',
    );
  }
  const clientSecret = await readSmallFile(secretFile).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`cannot read ${secretFile} (${error.code}), which AUTHORITY_OIDC_CLIENT_SECRET_FILE names`);
  });
  const home = cabinetUrl.endsWith('/') ? cabinetUrl : `${cabinetUrl}/`;
  return createIdentityProvider({
    issuer,
    clientId,
    clientSecret: clientSecret.trim(),
    name: config.AUTHORITY_OIDC_NAME,
    cabinetUrl: home,
  });
}

async function external(
  url: string,
  caFile: string | undefined,
  log: Logger,
  signal: AbortSignal,
): Promise<DatabaseConfig> {
  const { config, notes } = databaseAddress(url, caFile, process.env, 'licence-authority');
  for (const note of notes) log.warn(note);
  await unlessAborted(signal, waitForDatabase(config, poolSetup, ledger, log, signal));
  return config;
}

async function embedded(
  dataDir: string,
  config: { readonly LICENCE_POSTGRES_BIN: string | undefined; readonly LICENCE_SOCKET_DIR: string | undefined },
  log: Logger,
  lifetime: Lifetime,
): Promise<pg.ClientConfig> {
  const lock = lockDirectory(dataDir, 'licence-authority');
  lifetime.onStop('lock', () => lock.release());
  const options = { root: join(dataDir, 'postgres'), database: 'authority', migrations };
  const bin = config.LICENCE_POSTGRES_BIN;
  const postgres = await startEmbedded(
    { ...options, bin, socketBase: config.LICENCE_SOCKET_DIR },
    log,
    lifetime.signal,
  );
  lifetime.onStop('PostgreSQL', (leftMs) => postgres.stop(Math.min(6_000, leftMs - 300)));
  return postgres.connection;
}
