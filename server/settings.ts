import { win32 } from 'node:path';
import { z } from 'zod';
import type { SeatRule } from '../licence/seatRule.ts';
import { bounds } from '../licence/words.ts';
import {
  type Config,
  checkedText,
  integer,
  listen,
  networks,
  oneOf,
  type Setting,
  text,
  textOr,
} from '../runtime/config.ts';
import { uriFault } from '../runtime/database/address.ts';
import { keepAliveSeconds } from '../runtime/httpShell.ts';
import { logLevels } from '../runtime/log.ts';
import { proxyFileSetting } from '../runtime/proxyUrl.ts';
import { backupSettings } from './backup/backupSettings.ts';
import type { ClearPolicy } from './seats/clearing.ts';
import { parseReservations, type Reservation } from './seats/reservations.ts';
import { parseRules } from './seats/seatRules.ts';
import type { Computer } from './transfer/computer.ts';

/** Where the settings and activations lie unless told otherwise. */
export const dataDirOn = (platform: NodeJS.Platform, env: Readonly<Record<string, string | undefined>>): string =>
  platform === 'win32'
    ? win32.join(env.ProgramData ?? 'C:\\ProgramData', 'Softonit', 'Licence Server')
    : '/var/Softonit/Licence Server';
export const defaultDataDir = dataDirOn(process.platform, process.env);

/** A list in JSON, by its reader, which throws what is wrong. */
const list = <T>(help: string, read: (text: string | undefined) => T[]): Setting<T[]> => ({
  help,
  schema: z
    .string()
    .optional()
    .transform((value, ctx) => {
      try {
        return read(value === undefined || value.trim() === '' ? undefined : value);
      } catch (error) {
        ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
        return z.NEVER;
      }
    }),
  shownDefault: 'none',
});
const reservations: Setting<Reservation[]> = list(
  'seats kept for some, as JSON: [{product, seats, users, bases, hosts}]',
  parseReservations,
);
const rules: Setting<SeatRule[]> = list(
  'who may have seats, and how many, as JSON: [{name, product, match, and one of allow, onlyThese, max, maxEach, reserve, priority, idleAfter, minimumHold}]',
  parseRules,
);

const ownPaths = /^\/(v1|assets|healthz|metrics|openapi)(\/|$)/;
const pathPrefixFault = (path: string): string | undefined =>
  /^(\/[\w~-][\w.~-]*)+$/.test(path) && !ownPaths.test(path)
    ? undefined
    : 'must be a path such as /licences, without a slash at its end, and none of the server itself';

const clearStale: Setting<ClearPolicy> = {
  help: 'which starts clear stale seats (start | never | once:ID)',
  schema: z
    .string()
    .optional()
    .transform((value, ctx) => {
      const word = value === undefined || value.trim() === '' ? 'start' : value.trim();
      if (word === 'start' || word === 'never') return word;
      const id = /^once:([\w.:/-]{1,128})$/.exec(word)?.[1];
      if (id !== undefined) return { once: id };
      ctx.addIssue({ code: 'custom', message: `must be start, never, or once:ID, not "${word}"` });
      return z.NEVER;
    }),
  shownDefault: 'start',
};

export const settings = {
  LICENCE_LISTEN: listen('address to listen on', '127.0.0.1:8080'),
  LICENCE_DATA_DIR: textOr('directory of settings, activations and seats', defaultDataDir),
  DATABASE_URL: checkedText(
    'PostgreSQL to keep seats in, as a URI; unset: an embedded one in the data directory',
    uriFault,
  ),
  DATABASE_CA: text('PEM file of the certificate authorities of DATABASE_URL, unless its sslrootcert names one'),
  LICENCE_TAKE_OVER_FROM: text(
    'fingerprint of a computer that is gone for good: this one takes over the seats in its DATABASE_URL',
  ),
  LICENCE_KEYS_DIR: text('directory with a file a key'),
  LICENCE_TRUSTED_KEYS: text("JWKS file of the vendor's public keys"),
  LICENCE_AUTHORITY_URL: text('address of the authority that activates keys'),
  LICENCE_AUTHORITY_CA: text(
    "PEM file of the authority's certificate authorities, believed beside the system's; taken up when it changes",
  ),
  [proxyFileSetting]: text(
    'file with the URL of a proxy to the authority and to buckets, for one with a password; read at each use, in the place of HTTPS_PROXY and HTTP_PROXY',
  ),
  LICENCE_IDENTITY_FILE: text("PEM file of the server's private key; unset: made once in the data directory"),
  LICENCE_REACTIVATE: text('an id: activate the configured keys again, once per id'),
  LICENCE_ACCESS: oneOf('how clients prove themselves', ['token', 'serviceaccount', 'open'], 'token'),
  LICENCE_TOKENS_DIR: text('directory with the files client, admin and metrics; unset: made in the data directory'),
  LICENCE_AUDIENCE: textOr('audience of service-account tokens', 'licence-server'),
  LICENCE_LEASE_SECONDS: integer(
    'a leased seat is kept so long after the last heartbeat',
    bounds.leaseSeconds.default,
    bounds.leaseSeconds.min,
    bounds.leaseSeconds.max,
  ),
  LICENCE_STALE_AFTER_SECONDS: integer(
    'silence of a base after which its seats are stale',
    bounds.staleAfterSeconds.default,
    bounds.staleAfterSeconds.min,
    bounds.staleAfterSeconds.max,
  ),
  LICENCE_CLEAR_STALE: clearStale,
  LICENCE_RESERVATIONS: reservations,
  LICENCE_RULES: rules,
  LICENCE_GROUPS_DIR: text(
    'directory with a file a group, a name or pattern a line, for rules; read again when it changes',
  ),
  LICENCE_HISTORY_DAYS: integer('days that events, denials and the audit are kept', 90, 1, 3_650),
  LICENCE_DRAIN_SECONDS: integer('told to stop, it goes on serving so long while others learn that it goes', 0, 0, 300),
  LICENCE_TRUSTED_PROXIES: networks('whose X-Forwarded-For is believed; without: the peer is the client'),
  LICENCE_PATH_PREFIX: checkedText(
    'what addresses begin with outside, such as /licences, where what stands in front leaves it there',
    pathPrefixFault,
  ),
  LICENCE_KEEP_ALIVE_SECONDS: integer(
    'an idle connection is kept so long; give more than the load balancer in front does, or it meets closed ones',
    keepAliveSeconds,
    1,
    3_600,
  ),
  LICENCE_TLS_DIR: text('directory with tls.crt and tls.key: serve HTTPS; reloaded when they change'),
  LICENCE_SOCKET_DIR: text("directory for the embedded PostgreSQL's socket; unset: the system's temporary directory"),
  LICENCE_POSTGRES_BIN: text('directories of PostgreSQL programs, as in PATH; unset: searched'),
  ...backupSettings,
  LOG_LEVEL: oneOf('least important lines to log', logLevels, 'info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: text('where traces go; unset: none'),
};
export type ServerConfig = Config<typeof settings>;

/** Where the settings say that a computer has what it is. */
export const computerIn = ({ LICENCE_DATA_DIR: dataDir, ...config }: ServerConfig): Computer => ({
  dataDir,
  databaseUrl: config.DATABASE_URL,
  databaseCa: config.DATABASE_CA,
  socketDir: config.LICENCE_SOCKET_DIR,
  postgresBin: config.LICENCE_POSTGRES_BIN,
  identityFile: config.LICENCE_IDENTITY_FILE,
  tokensDir: config.LICENCE_TOKENS_DIR,
});
