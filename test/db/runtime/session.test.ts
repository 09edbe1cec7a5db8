import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { expect, inject, it } from 'vitest';
import { poolSetup as authoritySetup } from '../../../authority/database.ts';
import { createAuthority } from '../../../cluster/pki.ts';
import { startPostgres, unprivilegedUser } from '../../../cluster/postgres.ts';
import { databaseAddress } from '../../../runtime/database/address.ts';
import { messageOf } from '../../../runtime/database/fault.ts';
import { Session, setUp } from '../../../runtime/database/session.ts';
import { poolSetup, quickSetup, seatSetup } from '../../../server/seats/seatSql.ts';
import { createTestDatabase } from '../../support/testDatabase.ts';

it('each session sets what it relies on, whatever its database has', async () => {
  await using database = await createTestDatabase();
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  for (const setting of [
    "datestyle = 'German'",
    "default_transaction_isolation = 'serializable'",
    'synchronous_commit = off',
    'bytea_output = escape',
    'standard_conforming_strings = off',
    'extra_float_digits = 0',
    'idle_session_timeout = 60000',
  ])
    await admin.query(`ALTER DATABASE ${database.name} SET ${setting}`);
  await admin.end();
  const settings = async (setup: string) => {
    const client = new Session({ connectionString: database.url });
    client.on('error', () => {});
    await client.connect();
    try {
      await setUp(client, setup);
      const names = [
        'DateStyle',
        'default_transaction_isolation',
        'synchronous_commit',
        'bytea_output',
        'standard_conforming_strings',
        'extra_float_digits',
        'idle_session_timeout',
        'statement_timeout',
        'search_path',
      ];
      const { rows } = await client.query('SELECT current_setting(n) AS v FROM unnest($1::text[]) n', [names]);
      return rows.map((r) => r.v);
    } finally {
      await client.end();
    }
  };
  const durable = ['ISO, MDY', 'read committed', 'on', 'hex', 'on', '1', '0', '8s', 'public'];
  expect(await settings(seatSetup)).toEqual(durable);
  expect(await settings(poolSetup)).toEqual(durable);
  expect(await settings(quickSetup)).toEqual(durable.with(2, 'off'));
  expect(await settings(authoritySetup)).toEqual(durable.with(7, '10s'));
});

it('TLS: every sslmode does what libpq does with it', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ca-'));
  chmodSync(dir, 0o755);
  const ca = await createAuthority(join(dir, 'ca'));
  chmodSync(join(dir, 'ca'), 0o755);
  const pair = await ca.server('database', 'database', ['DNS:db.example']); // not the name that is asked for
  const [cert, key] = [join(dir, 'server.crt'), join(dir, 'server.key')];
  copyFileSync(pair.cert, cert);
  copyFileSync(pair.key, key);
  chmodSync(key, 0o600);
  const user = unprivilegedUser();
  if (user) for (const file of [cert, key]) chownSync(file, user.uid, user.gid);
  const other = await createAuthority(join(dir, 'other'));
  const postgres = await startPostgres({ ssl: 'on', ssl_cert_file: cert, ssl_key_file: key });
  const plain = inject('postgresUrl');
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  /** true: over TLS; false: without; else why not. */
  const reach = async (url: string, query: string, caFile?: string): Promise<boolean | string> => {
    const client = new Session(databaseAddress(`${url}?${query}`, caFile, {}, 'test').config);
    try {
      await client.connect();
      const { rows } = await client.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()');
      return rows[0].ssl;
    } catch (error) {
      return messageOf(error);
    } finally {
      await client.end().catch(() => {});
    }
  };
  try {
    const { adminUrl: tls } = postgres;
    for (const query of ['', 'sslmode=allow', 'sslmode=prefer']) {
      expect(await reach(tls, query), query).toBe(true);
      expect(await reach(plain, query), query).toBe(false);
    }
    expect(await reach(tls, 'sslmode=disable')).toBe(false);
    expect(await reach(tls, 'sslmode=require')).toBe(true);
    expect(await reach(plain, 'sslmode=require')).toMatch(/does not support SSL/);
    expect(await reach(tls, `sslmode=require&sslrootcert=${other.cert}`)).toMatch(
      /unable to (verify|get local issuer)|signature|self.signed/i,
    );
    expect(await reach(tls, `sslmode=verify-ca&sslrootcert=${ca.cert}`)).toBe(true);
    expect(await reach(tls, 'sslmode=verify-ca', ca.cert)).toBe(true);
    expect(await reach(tls, 'sslmode=verify-ca', other.cert)).toMatch(
      /unable to (verify|get local issuer)|signature|self.signed/i,
    );
    expect(await reach(tls, 'sslmode=verify-full', ca.cert)).toMatch(/does not match certificate's altnames/);
    expect(await reach(tls, 'sslmode=verify-full')).toMatch(/unable to (verify|get)|self.signed/i);
    expect(await reach(tls, 'sslmode=verify-full&sslrootcert=system')).toMatch(/unable to (verify|get)|self.signed/i);
    expect(await reach(tls, 'sslmode=verify-full&sslrootcert=/no/ca.crt')).toMatch(/^cannot read \/no\/ca\.crt/);
    expect(warnings).toEqual([]);
  } finally {
    process.off('warning', onWarning);
    await postgres.stop();
    rmSync(dir, { recursive: true });
  }
}, 120_000);
