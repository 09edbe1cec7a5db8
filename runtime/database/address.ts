import { ConfigFault } from '../config.ts';
import { Places, placesOf } from './places.ts';
import type { DatabaseConfig } from './session.ts';
import type { Tls } from './tls.ts';

/** Where a database is, and what of its URI is of no use here. */
export interface Address {
  readonly config: DatabaseConfig;
  /** One sentence each. */
  readonly notes: readonly string[];
}

type Env = Readonly<Record<string, string | undefined>>;
type Parameters = Readonly<Record<string, string>>;

const example = 'postgres://user:password@host:5432/database?sslmode=verify-full';
const encoded =
  'percent-encode what stands in user and password: % is %25, @ is %40, : is %3A, / is %2F, ? is %3F, # is %23';
const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;

/** Of libpq, and done without here: they change nothing that is needed. */
const unused =
  /^(hostaddr|passfile|fallback_application_name|keepalives\w*|tcp_user_timeout|gssencmode|gssdelegation|gsslib|krbsrvname|require_auth|requirepeer|service|servicefile|load_balance_hosts|replication|sslcompression|sslsni|sslcertmode|sslcrl|sslcrldir|min_protocol_version|max_protocol_version)$/;
/** Of libpq and of node-postgres; what they ask for is so anyhow. */
const asked = /^(uselibpqcompat|client_encoding|keepalives)$/;

/** What is wrong with a connection URI by itself, as the rest of a sentence that begins with the setting; undefined: nothing. */
export function uriFault(text: string): string | undefined {
  const read = readUri(text);
  return 'fault' in read ? read.fault : undefined;
}

/**
 * A connection URI as libpq reads it. What it says nothing of is taken from PostgreSQL's variables (PGHOST, PGSSLMODE …).
 * @param caFile PEM file of the certificate authorities, unless the URI names one
 * @param program its name in the database, unless another is given
 * @throws ConfigFault naming the setting, never the password
 */
export function databaseAddress(text: string, caFile: string | undefined, env: Env, program: string): Address {
  const read = readUri(text);
  if ('fault' in read) throw new ConfigFault([`DATABASE_URL ${read.fault}`]);
  const { parameters } = read;
  const value = (name: string, variable: string) => parameters[name] || env[variable]?.trim() || undefined;
  const host = value('host', 'PGHOST') ?? 'localhost';
  const port = value('port', 'PGPORT') ?? '5432';
  const where = (name: string, variable: string) => (parameters[name] ? 'DATABASE_URL' : variable);
  const fault = (setting: string, words: string): never => {
    throw new ConfigFault([`${setting} ${words}`]);
  };
  if (!arePorts(port)) fault(where('port', 'PGPORT'), `has the port "${port}"; it must be a number from 1 to 65535`);
  const places = placesOf(host, port);
  if ('fault' in places) throw new ConfigFault([`${where('host', 'PGHOST')} ${places.fault}`]);
  const [first] = places;
  const sslmode = parameters.sslmode ?? sslOf(parameters.ssl) ?? env.PGSSLMODE?.trim() ?? '';
  if (![...modes, 'no-verify', ''].includes(sslmode))
    fault(parameters.sslmode ? 'DATABASE_URL' : 'PGSSLMODE', sslmodeWords(sslmode));
  const isSocket = host.startsWith('/');
  const ca = value('sslrootcert', 'PGSSLROOTCERT') ?? caFile;
  if (sslmode === 'verify-ca' && (ca === undefined || ca === 'system'))
    fault(
      where('sslmode', 'PGSSLMODE'),
      'has sslmode=verify-ca, which needs certificate authorities of your own: set DATABASE_CA (or sslrootcert in the URI) to their PEM file, or say verify-full, which goes by those of the system',
    );
  const tls: Tls | undefined =
    isSocket || sslmode === 'disable'
      ? undefined
      : {
          mode:
            sslmode === 'verify-ca' || sslmode === 'verify-full'
              ? sslmode
              : sslmode === 'require' || sslmode === 'no-verify'
                ? 'require'
                : 'prefer',
          ca: sslmode === 'no-verify' ? undefined : ca,
          cert: value('sslcert', 'PGSSLCERT'),
          key: value('sslkey', 'PGSSLKEY'),
          passphrase: parameters.sslpassword,
        };
  const user = value('user', 'PGUSER');
  const password = parameters.password ?? env.PGPASSWORD;
  const database = value('dbname', 'PGDATABASE') ?? user;
  const seconds = Number(value('connect_timeout', 'PGCONNECT_TIMEOUT'));
  const connectMs = seconds > 0 ? Math.max(2, seconds) * 1000 : undefined;
  return {
    config: {
      ...first,
      ...(places.length > 1 ? { places: new Places(places, connectMs) } : {}),
      ...(user === undefined ? {} : { user }),
      ...(database === undefined ? {} : { database }),
      ...(password === undefined ? {} : { password }),
      ...(parameters.options ? { options: parameters.options } : {}),
      ...(connectMs === undefined ? {} : { connectionTimeoutMillis: connectMs }),
      ...(parameters.sslnegotiation === 'direct' ? { sslnegotiation: 'direct' } : {}),
      ...(/^(require|prefer)$/.test(parameters.channel_binding ?? '') ? { enableChannelBinding: true } : {}),
      application_name: value('application_name', 'PGAPPNAME') ?? program,
      ...(tls === undefined ? { ssl: false } : { tls }),
    } as DatabaseConfig,
    notes: notesOf(parameters),
  };
}

const sslmodeWords = (mode: string) => `has sslmode=${mode}; it must be one of ${modes.join(', ')}`;
const isPort = (text: string) => /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536;
/** In a list, one that is left out is PostgreSQL's own. */
const arePorts = (text: string) =>
  isPort(text) || (text.includes(',') && text.split(',').every((p) => p === '' || isPort(p)));
/** node-postgres's own word for it. */
const sslOf = (ssl: string | undefined): string | undefined =>
  ssl === undefined ? undefined : /^(true|1)$/.test(ssl) ? 'verify-full' : ssl === 'no-verify' ? ssl : 'disable';

function notesOf(parameters: Parameters): string[] {
  const known =
    /^(host|port|user|password|dbname|sslmode|ssl|sslrootcert|sslcert|sslkey|sslpassword|sslnegotiation|options|connect_timeout|application_name|target_session_attrs|channel_binding)$/;
  const idle = Object.keys(parameters).filter((name) => !known.test(name) && !asked.test(name));
  return [
    ...(idle.length === 0 ? [] : [`of DATABASE_URL is not used: ${idle.join(', ')}`]),
    ...(parameters.channel_binding === 'require'
      ? ['channel_binding of DATABASE_URL is used where the database offers it, but not insisted on']
      : []),
  ];
}

type Read = { readonly parameters: Parameters } | { readonly fault: string };

/** The parts of `scheme://user:password@host:port/dbname?name=value&…`, decoded (PostgreSQL's manual, "Connection URIs"). */
function readUri(text: string): Read {
  const uri = /^postgres(?:ql)?:\/\/(?:([^@/]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text.trim());
  if (uri === null) return { fault: notAUri(text) };
  const [, login, authority = '', dbname, query] = uri;
  const found: Record<string, string> = {};
  const put = (name: string, raw: string | undefined): string | undefined => {
    if (raw === undefined || raw === '') return undefined;
    if (/%(?![0-9a-f]{2})|%00/i.test(raw)) return `has a % that encodes nothing; ${encoded}`;
    try {
      found[name] = decodeURIComponent(raw);
    } catch {
      return `has percent-encoded bytes that are not UTF-8; ${encoded}`;
    }
    return undefined;
  };
  // an @, a / or a ? in a password ends it too early: what follows looks like a host, a port, a database or a parameter
  const names = query?.split('&').map((pair) => pair.split('=')[0]) ?? [];
  if ([authority, dbname, ...names].some((part) => part?.includes('@')))
    return { fault: `cannot be taken apart; ${encoded}` };
  const at = login?.indexOf(':') ?? -1;
  const faults = [
    put('user', at < 0 ? login : login?.slice(0, at)),
    put('password', at < 0 ? undefined : login?.slice(at + 1)),
    put('dbname', dbname),
  ];
  const places = authority.split(',').map((one) => /^(\[[0-9a-f:.%\w]+\]|[^:[\]]*)(?::(.*))?$/i.exec(one));
  if (places.includes(null)) return { fault: `has the host "${authority}", which is none; ${encoded}` };
  const ports = places.map((place) => place?.[2] ?? '');
  faults.push(
    put('host', places.map((place) => place?.[1]?.replace(/^\[|\]$/g, '')).join(',')),
    put('port', ports.every((port) => port === '') ? undefined : ports.join(',')),
  );
  if (found.port !== undefined && !arePorts(found.port))
    return { fault: `has a port that is no number from 1 to 65535; ${encoded}` };
  for (const pair of query?.split('&') ?? []) {
    if (pair === '') continue;
    const [name = '', ...rest] = pair.split('=');
    faults.push(put(name, rest.join('=')) ?? parameterFault(name, found[name] ?? ''));
  }
  const fault = faults.find((f) => f !== undefined);
  if (fault !== undefined) return { fault };
  const lists = placesOf(found.host ?? 'localhost', found.port ?? '5432');
  return 'fault' in lists && found.host !== undefined ? lists : { parameters: found };
}

function notAUri(text: string): string {
  if (/^\s*\w+\s*=/.test(text))
    return `must be a URI such as ${example}; the form "host=… port=…" of libpq is not read here`;
  const scheme = /^\s*([a-z][\w+.-]*):/i.exec(text)?.[1];
  const is = scheme === undefined ? '' : `, not one of ${scheme}:`;
  return `must be a URI such as ${example}${is}; ${encoded}`;
}

function parameterFault(name: string, value: string): string | undefined {
  if (name === 'sslmode' && ![...modes, 'no-verify'].includes(value)) return sslmodeWords(value);
  if (name === 'target_session_attrs' && !/^(any|read-write|primary)$/.test(value))
    return `has target_session_attrs=${value}; the server writes, so leave it out or say read-write`;
  // a misspelt one would leave the connection unchecked without a word
  if (/^ssl/.test(name) && !/^ssl(mode|rootcert|cert|key|password|negotiation|)$/.test(name) && !unused.test(name))
    return `has the parameter ${name}, which nobody knows; those of TLS are sslmode, sslrootcert, sslcert, sslkey`;
  return undefined;
}
