import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ConfigFault, readConfig } from '../../../../runtime/config.ts';
import { databaseAddress, uriFault } from '../../../../runtime/database/address.ts';
import { tlsOptions } from '../../../../runtime/database/tls.ts';
import { settings } from '../../../../server/settings.ts';

const address = (uri: string, env: Record<string, string> = {}, ca?: string) =>
  databaseAddress(uri, ca, env, 'program');
const faultOf = (uri: string, env: Record<string, string> = {}, ca?: string): string => {
  try {
    address(uri, env, ca);
  } catch (error) {
    if (error instanceof ConfigFault) return error.faults.join('\n');
    throw error;
  }
  return '';
};

describe('a URI is read as libpq reads it', () => {
  it.each([
    ['postgres://u:p@h:5433/d', { host: 'h', port: 5433, user: 'u', password: 'p', database: 'd' }],
    ['postgresql://u@h/', { host: 'h', port: 5432, user: 'u', database: 'u' }],
    ['postgres://u:p%23%40%2F%25%3A%3F%26%3D%20%2B%C3%A9%22@h/d', { password: 'p#@/%:?&= +é"' }],
    ['postgres://u:p#&=+é"@h/d', { password: 'p#&=+é"' }],
    ['postgres://u:@[::1]:5433/d', { host: '::1', port: 5433 }],
    ['postgres://u@/d?host=/run/postgresql&port=6432', { host: '/run/postgresql', port: 6432, ssl: false }],
    ['postgres://u@%2Frun%2Fpostgresql/d', { host: '/run/postgresql' }],
    ['postgres://h/d?user=u&password=p%26&dbname=e', { user: 'u', password: 'p&', database: 'e' }],
    [
      'postgres://u@h/d?application_name=seats&options=-c%20geqo%3Doff',
      { application_name: 'seats', options: '-c geqo=off' },
    ],
    ['postgres://u@h/d?connect_timeout=3', { connectionTimeoutMillis: 3_000, application_name: 'program' }],
  ])('%s', (uri, config) => {
    expect(address(uri).config).toMatchObject(config);
    expect(uriFault(uri)).toBeUndefined();
  });

  it('what it leaves open is in the variables of PostgreSQL, as the parts of a Secret are handed over', () => {
    const env = { PGHOST: 'db-rw', PGPORT: '5433', PGUSER: 'app', PGPASSWORD: 'p@/#', PGDATABASE: 'seats' };
    expect(address('postgres://', env).config).toMatchObject({
      host: 'db-rw',
      port: 5433,
      user: 'app',
      password: 'p@/#',
      database: 'seats',
    });
    expect(address('postgres://u@h:1/d', env).config).toMatchObject({ host: 'h', port: 1, user: 'u', database: 'd' });
  });
});

describe('several hosts are a list of places', () => {
  it.each([
    ['postgres://u@a:1,b:2/d?target_session_attrs=read-write', {}, ['a:1', 'b:2']],
    ['postgres://u@a,b:2/d', {}, ['a:5432', 'b:2']],
    ['postgres://u@a,b,c/d', { PGPORT: '6432' }, ['a:6432', 'b:6432', 'c:6432']],
    ['postgres://u@[::1]:1,[fe80::2]:2/d', {}, ['::1:1', 'fe80::2:2']],
    ['postgres://u@x/d?host=a,b&port=1,2&target_session_attrs=primary', {}, ['a:1', 'b:2']],
    ['postgres://u@/d?host=/run/a,/run/b', {}, ['/run/a:5432', '/run/b:5432']],
    ['postgres://u@/d?target_session_attrs=any', { PGHOST: 'a,b', PGPORT: '1,' }, ['a:1', 'b:5432']],
  ])('%s %o', (uri, env, places) => {
    const { config, notes } = address(uri, env);
    expect(config.places?.all.map(({ host, port }) => `${host}:${port}`)).toEqual(places);
    expect(config).toMatchObject(config.places?.all[0] ?? {});
    expect([uriFault(uri), notes]).toEqual([undefined, []]);
  });
  it('one host is none', () => {
    expect(address('postgres://u@h/d?target_session_attrs=read-write').config.places).toBeUndefined();
  });
  it('each has the time of connect_timeout', () => {
    expect(address('postgres://u@a,b/d?connect_timeout=7').config.places?.askMs).toBe(7_000);
    expect(address('postgres://u@a,b/d').config.places?.askMs).toBe(2_000);
  });
});

describe('TLS is what libpq means by sslmode', () => {
  const tlsOf = (query: string, env: Record<string, string> = {}, ca?: string) =>
    address(`postgres://u@h/d${query}`, env, ca).config.tls;
  it.each([
    ['', {}, { mode: 'prefer' }],
    ['?sslmode=allow', {}, { mode: 'prefer' }],
    ['?sslmode=disable', {}, undefined],
    ['?sslmode=require', {}, { mode: 'require' }],
    ['?sslmode=no-verify', {}, { mode: 'require' }],
    ['?sslmode=require&uselibpqcompat=true', {}, { mode: 'require' }],
    ['?sslmode=verify-ca&sslrootcert=/ca.crt', {}, { mode: 'verify-ca', ca: '/ca.crt' }],
    ['?sslmode=verify-full&sslrootcert=system', {}, { mode: 'verify-full', ca: 'system' }],
    ['?sslmode=verify-full&sslcert=/c&sslkey=/k', {}, { mode: 'verify-full', cert: '/c', key: '/k' }],
    ['', { PGSSLMODE: 'verify-full', PGSSLROOTCERT: '/ca.crt' }, { mode: 'verify-full', ca: '/ca.crt' }],
    ['?sslmode=disable', { PGSSLMODE: 'verify-full' }, undefined],
    ['?ssl=true', {}, { mode: 'verify-full' }],
  ])('%s %o', (query, env, tls) => {
    expect(tlsOf(query, env)).toEqual(tls && expect.objectContaining(tls));
  });
  it('the file of DATABASE_CA counts unless the URI names one', () => {
    expect(tlsOf('?sslmode=verify-ca', {}, '/own.crt')).toMatchObject({ mode: 'verify-ca', ca: '/own.crt' });
    expect(tlsOf('?sslmode=verify-ca&sslrootcert=/uri.crt', {}, '/own.crt')).toMatchObject({ ca: '/uri.crt' });
  });
  it('nothing is checked by less than was asked for', () => {
    const folder = mkdtempSync(join(tmpdir(), 'database-ca-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'ca.crt');
    writeFileSync(file, rootCertificates[0] ?? '');
    expect(tlsOptions({ mode: 'prefer', ca: file })).toEqual({ rejectUnauthorized: false });
    expect(tlsOptions({ mode: 'require' })).toEqual({ rejectUnauthorized: false });
    for (const mode of ['require', 'verify-ca'] as const) {
      const options = tlsOptions({ mode, ca: file });
      expect(options.rejectUnauthorized).toBeUndefined();
      expect(options.ca).toBeDefined();
      expect(options.checkServerIdentity?.('h', {} as never)).toBeUndefined();
    }
    expect(Object.keys(tlsOptions({ mode: 'verify-full', ca: file }))).toEqual(['ca', 'allowPartialTrustChain']);
    expect(tlsOptions({ mode: 'verify-full', ca: 'system' }).ca?.length).toBeGreaterThan(0);
    expect(() => tlsOptions({ mode: 'verify-full', ca: '/no/ca.crt' })).toThrow('cannot read /no/ca.crt');
    expect(() => tlsOptions({ mode: 'verify-full', ca: import.meta.filename })).toThrow('holds no certificates as PEM');
  });
});

describe('what cannot be meant is answered with the setting and what to write', () => {
  it.each([
    ['postgres://a,,b/d', /has an empty host in its list/],
    ['postgres://a:1,b:x/d', /port that is no number from 1 to 65535/],
    ['postgres://u@/d?host=a,b,c&port=1,2', /has 2 ports for 3 hosts; it must be one for all, or one each/],
    ['postgres://u@/d?host=a,/run/postgresql', /has sockets and hosts in one list/],
    ['host=h port=5432 dbname=d', /must be a URI such as postgres:.*"host=… port=…"/],
    ['mysql://u@h/d', /must be a URI such as postgres:.*not one of mysql:/],
    ['h:5432/d', /must be a URI such as postgres:/],
    ['postgres://u:p@ss@h/d', /percent-encode .* @ is %40/],
    ['postgres://u:pa/ss@h/d', /percent-encode .* \/ is %2F/],
    ['postgres://u:1/x?ss@h/d', /cannot be taken apart; percent-encode/],
    ['postgres://u:1?ssl/ss@h/d', /cannot be taken apart; percent-encode/],
    ['postgres://u:100%@h/d', /a % that encodes nothing; percent-encode/],
    ['postgres://u:%ff@h/d', /not UTF-8/],
    ['postgres://u@h:0/d', /port that is no number from 1 to 65535/],
    ['postgres://u@h:99999/d', /port that is no number/],
    [
      'postgres://u@h/d?sslmode=on',
      /has sslmode=on; it must be one of disable, allow, prefer, require, verify-ca, verify-full/,
    ],
    ['postgres://u@h/d?sslmod=verify-full', /the parameter sslmod, which nobody knows/],
    ['postgres://u@h/d?sslmode=verify-ca', /needs certificate authorities of your own: set DATABASE_CA/],
    ['postgres://u@h/d?sslmode=verify-ca&sslrootcert=system', /needs certificate authorities of your own/],
    ['postgres://u@h/d?target_session_attrs=standby', /target_session_attrs=standby; the server writes/],
  ])('%s', (uri, words) => {
    const said = faultOf(uri);
    expect(said).toMatch(/^DATABASE_URL /);
    expect(said).toMatch(words);
    expect(said).not.toMatch(/p@ss|pa\/ss|ss@|100%@/);
  });
  it.each([
    ['PGSSLMODE', 'sometimes', /^PGSSLMODE has sslmode=sometimes/],
    ['PGHOST', 'a,', /^PGHOST has an empty host in its list/],
    ['PGPORT', '1,x', /^PGPORT has the port "1,x"/],
    ['PGPORT', 'x', /^PGPORT has the port "x"/],
  ])('%s=%s', (name, value, words) => {
    expect(faultOf('postgres://', { [name]: value })).toMatch(words);
  });
  it('the environment names it with all other faults', () => {
    expect(() => readConfig(settings, { DATABASE_URL: 'host=h', LICENCE_LISTEN: 'x' }, ['LICENCE_'])).toThrow(
      /2 fault\(s\)[\s\S]*DATABASE_URL must be a URI/,
    );
  });
});

it('what is of no use is said, and only that', () => {
  expect(address('postgres://u@h/d?pgbouncer=true&hostaddr=1.2.3.4&target_session_attrs=read-write').notes).toEqual([
    'of DATABASE_URL is not used: pgbouncer, hostaddr',
  ]);
  expect(address('postgres://u@h/d?sslmode=require&channel_binding=require').notes).toEqual([
    expect.stringContaining('channel_binding'),
  ]);
  expect(address('postgres://u@h/d?sslmode=require&uselibpqcompat=true&client_encoding=UTF8').notes).toEqual([]);
});
