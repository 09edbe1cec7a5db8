import { durationMs } from '../../../licence/duration.ts';
import type { Defaults } from '../api/defaults.ts';
import { digestOf } from '../api/digest.ts';
import { containerPort, namesOf, podPaths, secretKeys } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import { isScalable } from '../api/scalable.ts';
import type { Spec } from '../api/types.ts';
import { backupSettings } from './backup.ts';
import { proxySettings } from './proxy.ts';

/** The audience of the tokens that pods show to this server: one made for another server is of no use here. */
const audienceOf = (owner: Owner): string => `${namesOf(owner.name).service}.${owner.namespace}.svc`;

/** How long a pod that is to end goes on serving until every node knows that it goes; alone it would only be away longer. */
const drainSeconds = 5;

/** What the server is told through its environment; every name is one of its settings. */
export const settingsOf = (
  owner: Owner,
  spec: Spec,
  defaults: Pick<Defaults, 'proxy'> = {},
): Readonly<Record<string, string>> => ({
  // Every address, of whichever families the pod has.
  LICENCE_LISTEN: `:${containerPort}`,
  LICENCE_DATA_DIR: podPaths.data,
  LICENCE_SOCKET_DIR: podPaths.sockets,
  LICENCE_KEYS_DIR: podPaths.keys,
  LICENCE_IDENTITY_FILE: `${podPaths.identity}/${secretKeys.identity}`,
  LICENCE_TOKENS_DIR: podPaths.tokens,
  LICENCE_ACCESS: spec.access.clients.toLowerCase(),
  ...(spec.access.clients === 'ServiceAccount' ? { LICENCE_AUDIENCE: audienceOf(owner) } : {}),
  ...(isScalable(spec) ? { LICENCE_DRAIN_SECONDS: String(drainSeconds) } : {}),
  LICENCE_LEASE_SECONDS: String(spec.seats.leaseSeconds),
  LICENCE_STALE_AFTER_SECONDS: String(durationMs(spec.staleSeats.after) / 1000),
  ...(spec.activation.mode === 'Online' && spec.activation.authority?.url !== undefined
    ? { LICENCE_AUTHORITY_URL: spec.activation.authority.url }
    : {}),
  ...(spec.activation.authority?.trustedKeys === undefined
    ? {}
    : { LICENCE_TRUSTED_KEYS: `${podPaths.trust}/jwks.json` }),
  ...(spec.activation.authority?.caRef === undefined ? {} : { LICENCE_AUTHORITY_CA: `${podPaths.ca}/ca.crt` }),
  ...proxySettings(spec.activation.authority?.proxy, defaults.proxy),
  ...databaseTrust(spec),
  ...httpSettings(spec.http),
  ...(spec.tls === undefined ? {} : { LICENCE_TLS_DIR: podPaths.tls }),
  ...(spec.seats.reservations === undefined || spec.seats.reservations.length === 0
    ? {}
    : { LICENCE_RESERVATIONS: JSON.stringify(spec.seats.reservations) }),
  ...(spec.seats.rules === undefined || spec.seats.rules.length === 0
    ? {}
    : { LICENCE_RULES: JSON.stringify(spec.seats.rules) }),
  ...(spec.seats.groups === undefined ? {} : { LICENCE_GROUPS_DIR: podPaths.groups }),
  ...backupSettings(owner, spec.backup),
});

/** Where the database's URI says something of `sslmode` itself, that counts. */
export const databaseTrust = ({ database }: Spec): Record<string, string> =>
  database?.caRef === undefined ? {} : { DATABASE_CA: `${podPaths.databaseCa}/ca.crt`, PGSSLMODE: 'verify-full' };

export const httpSettings = (http: Spec['http']): Record<string, string> => ({
  ...(http?.trustedProxies === undefined || http.trustedProxies.length === 0
    ? {}
    : { LICENCE_TRUSTED_PROXIES: http.trustedProxies.join(',') }),
  ...(http?.keepAliveSeconds === undefined ? {} : { LICENCE_KEEP_ALIVE_SECONDS: String(http.keepAliveSeconds) }),
  ...(http?.pathPrefix === undefined ? {} : { LICENCE_PATH_PREFIX: http.pathPrefix }),
});

/** Name of the ConfigMap that holds them: another one for other settings. */
export const settingsNameOf = (owner: Owner, settings: Readonly<Record<string, string>>): string =>
  namesOf(owner.name).config(digestOf(settings));
