import { afterEach, beforeEach, expect, it } from 'vitest';
import { DatabaseSessions } from '../../../server/db/sessions.ts';
import { relayTo, type TcpRelay, throughRelay } from '../../support/tcpRelay.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { until } from './support/serverProcess.ts';

let database: TestDatabase;
let relay: TcpRelay;
let sessions: DatabaseSessions;
const answers = 500;
beforeEach(async () => {
  database = await createTestDatabase();
  relay = await relayTo(database.url);
  const connection = { connectionString: throughRelay(database.url, relay), query_timeout: answers };
  sessions = new DatabaseSessions({ ...connection, connectionTimeoutMillis: answers }, "SET timezone='UTC'", 2);
});
afterEach(async () => {
  await sessions.end();
  await relay[Symbol.asyncDispose]();
  await database.drop();
});

const outcomes = (waiting: readonly Promise<unknown>[]) =>
  Promise.all(
    waiting.map((w) =>
      w.then(
        () => 'got one',
        () => 'refused',
      ),
    ),
  );

it('all who wait are told when the database is gone, however many they are', async () => {
  const held = [await sessions.acquire(), await sessions.acquire()];
  const waiting = Array.from({ length: 7 }, () => sessions.acquire());
  relay.set('refuse');
  for (const client of held) sessions.release(client, true);
  expect(await outcomes(waiting)).toEqual(Array(7).fill('refused'));
  // and those who come while it is away are told at once, without an attempt each
  const attempts = relay.attempts;
  for (let i = 0; i < 100; i++) await expect(sessions.acquire()).rejects.toThrow();
  expect(relay.attempts - attempts).toBeLessThan(20);
  relay.set('pass');
  const client = await until('a connection', () => sessions.acquire());
  expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  sessions.release(client, false);
});

it('while one connection is left, those who wait share it instead of being refused', async () => {
  const last = await sessions.acquire();
  relay.set('silent'); // a second one is not to be had
  const waiting = Array.from({ length: 3 }, async () => {
    const client = await sessions.acquire();
    sessions.release(client, false);
  });
  await expect.poll(() => relay.attempts, { timeout: 30_000 }).toBeGreaterThan(1);
  await new Promise((resolve) => setTimeout(resolve, 2 * answers)); // the attempts have failed by now
  sessions.release(last, false);
  expect(await outcomes(waiting)).toEqual(Array(3).fill('got one'));
});

it('a connection that has gone silent is given up, and the next one works', async () => {
  const client = await sessions.acquire();
  relay.set('silent');
  await expect(client.query('SELECT 1')).rejects.toThrow('timeout');
  sessions.release(client, true);
  relay.set('pass');
  const next = await sessions.acquire();
  expect((await next.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  sessions.release(next, false);
});
