import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from '../support/seatServer.ts';

const leaseMs = 4_000;
let database: TestDatabase;
let s: SeatServer;
let admin: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase(ledgerTemplate);
  s = await startSeatServer(database.url, { licences: [{ seatLimit: 1 }], leaseMs });
  admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
});
afterAll(async () => {
  await admin.end();
  await s.stop();
  await database.drop();
});

it('a holder whose heartbeats the database refused for longer than a lease keeps its seat when others want it', async () => {
  await expect.poll(async () => (await s.checkOut('anna')).status, { timeout: 5_000 }).toBe(201);
  const { leaseId } = (await s.checkOut('anna')).body;
  const beat = async () => (await s.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status;
  // as a full disk does: small notes still go through, renewals do not
  const { rows } = await admin.query("SELECT pg_get_functiondef('heartbeat_batch'::regproc) AS text");
  const refusing = rows[0].text.replace(
    /AS \$function\$[\s\S]*\$function\$/,
    () => "AS $function$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $function$",
  );
  await admin.query("UPDATE pool SET frozen_until = '-infinity'"); // the grace of this start is over
  await admin.query(refusing);
  const fullUntil = Date.now() + leaseMs + 2_500;
  await expect.poll(async () => [await beat(), Date.now() > fullUntil], { timeout: 20_000 }).toEqual([503, true]);
  await admin.query(rows[0].text);
  expect((await s.checkOut('boris')).status).toBe(409);
  expect(await beat()).toBe(200);
  // and one that is really gone is not kept for ever
  await expect.poll(async () => (await s.checkOut('boris')).status, { timeout: 20_000, interval: 250 }).toBe(201);
}, 60_000);
