import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { inject } from 'vitest';

/** A database that is prepared once a run and then copied; copying takes some 30 ms, however long `prepare` takes. */
export interface Template {
  /** Unique within the run, `[a-z0-9_]`. */
  readonly name: string;
  /** Fills the empty database at `url`, for example by running migrations; all its connections must be closed at the end. */
  prepare(url: string): Promise<void>;
}

export interface TestDatabase extends AsyncDisposable {
  readonly name: string;
  /** As superuser. */
  readonly url: string;
  /** Drops it, connections included. */
  drop(): Promise<void>;
}

const urlOf = (database: string): string => {
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${database}`;
  return url.href;
};

async function asAdmin<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Test files run side by side: the advisory lock lets one of them prepare the template while the others wait. */
async function ensureTemplate(client: pg.Client, template: Template): Promise<string> {
  const name = `template_${template.name}`;
  const exists = async () =>
    (await client.query('select 1 from pg_database where datname = $1', [name])).rowCount !== 0;
  await client.query('select pg_advisory_lock(hashtext($1))', [name]);
  try {
    if (await exists()) return name;
    const draft = `${name}_draft`; // a failed preparation must not pass for a template
    await client.query(`drop database if exists ${draft} with (force)`);
    await client.query(`create database ${draft}`);
    await template.prepare(urlOf(draft));
    await client.query(`alter database ${draft} rename to ${name}`);
    return name;
  } finally {
    await client.query('select pg_advisory_unlock(hashtext($1))', [name]);
  }
}

/**
 * A pool's `end` is done before the server has let its connections go. Cutting those off would reach the pool as an error that
 * nobody handles, so they get time; whoever is still connected after it is cut off, and told.
 */
async function dropDatabase(client: pg.Client, name: string): Promise<void> {
  const end = Date.now() + 15_000;
  const connected = async (): Promise<string[]> => {
    const text = 'select application_name, state, left(query, 80) as query from pg_stat_activity where datname = $1';
    return (await client.query(text, [name])).rows.map((row) => Object.values(row).join(' '));
  };
  let left = await connected();
  for (; left.length > 0 && Date.now() < end; left = await connected()) await delay(20);
  if (left.length > 0) console.warn(`still connected to ${name}, and cut off: ${left.join('; ')}`);
  await client.query(`drop database if exists ${name} with (force)`);
}

/** A fresh database: a copy of the template, or an empty one. Call it in `beforeAll` (or a test) and `drop()` it after. */
export async function createTestDatabase(template?: Template): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asAdmin(async (client) => {
    const source = template ? await ensureTemplate(client, template) : 'template0';
    await client.query(`create database ${name} template ${source}`);
  });
  const drop = () => asAdmin((client) => dropDatabase(client, name));
  return { name, url: urlOf(name), drop, [Symbol.asyncDispose]: drop };
}
