import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LicenceClient, type SimulationProgress } from '../../../client/licenceClient.ts';
import { repository } from '../../support/sources.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from '../server/support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from '../server/support/seatServer.ts';

let database: TestDatabase;
let server: SeatServer;
let url: string;
let dir: string;
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  server = await startSeatServer(database.url, { licences: [{ seatLimit: 3 }] });
  url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  dir = mkdtempSync(join(tmpdir(), 'simulate-'));
  const sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
  // five people from 9 to 17 o'clock, on one of the last days
  await sql.query(
    `INSERT INTO event SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '1 day' + x.hour * interval '1 h' + n * interval '1 s', pool_id,
       x.code::"char", gen_random_uuid(), concat_ws(chr(31), 'buh', 'user-' || n, 'pc', '') FROM pool, (VALUES (9, 'G'), (17, 'X')) x(hour, code), generate_series(0, 4) n`,
  );
  await sql.end();
});
afterEach(async () => {
  await server.stop();
  await database.drop();
  rmSync(dir, { recursive: true, force: true });
});

const licence = (...args: string[]) =>
  new Promise<{ status: number | null; out: string; err: string }>((resolve, reject) => {
    const child = spawn(process.execPath, [join(repository, 'cli/licence.ts'), 'simulate', ...args], {
      env: { PATH: process.env.PATH, HOME: '/', LICENCE_SERVER_URL: url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const texts = { out: '', err: '' };
    child.stdout.on('data', (chunk) => {
      texts.out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      texts.err += chunk;
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, ...texts }));
  });

it('licence simulate tells what a day would have been with other seats, or by the rules of a file', async () => {
  const asked = ['--product', 'erp', '--days', '2'];
  const more = await licence(...asked, '--seats', '4');
  expect([more.status, more.out.split('\n').slice(1)]).toEqual([
    0,
    [
      expect.stringMatching(/^\d{4}-\d\d-\d\d +2 → 1 +2 → 1 +3 → 4 +8h → 8h$/),
      expect.stringMatching(/ 0 → 0 +0 → 0 +0 → 0 +0s → 0s$/),
      expect.stringMatching(/^all +2 → 1 /),
      "erp with 4 seats beside today's 3; with 5 nobody would have waited for one",
      '',
    ],
  ]);
  const file = join(dir, 'rules.yaml');
  writeFileSync(file, '- { name: few, product: erp, match: { bases: [buh] }, max: 1 }\n');
  writeFileSync(join(dir, 'no-list.yaml'), 'max: 3\n');
  writeFileSync(join(dir, 'no.yaml'), '{');
  const ruled = await licence(...asked, '--rules', file, '--json');
  expect([ruled.status, JSON.parse(ruled.out).other.refused]).toEqual([0, 4]);
  for (const [args, why] of [
    [['--product', 'none'], 'product: no key for the product none is active here'],
    [[...asked, '--rules', join(dir, 'none')], 'none cannot be read (ENOENT); name a file with --rules'],
    [[...asked, '--rules', join(dir, 'no-list.yaml')], 'no-list.yaml has no list of rules; give spec.seats.rules'],
    [[...asked, '--rules', join(dir, 'no.yaml')], 'no.yaml is no YAML: '],
    [[...asked, '--seats', '-1'], "'-1' is invalid. must be a whole number from 0"],
    [['--product', 'erp', '--days', '91'], 'days: at most 90'],
  ] as const) {
    const wrong = await licence(...args);
    expect([wrong.status, wrong.out]).toEqual([64, '']);
    expect(wrong.err).toContain(why);
  }
  const alone = await licence(...asked, '--server', 'http://127.0.0.1:1');
  expect([alone.status, alone.err]).toEqual([70, expect.stringContaining('cannot reach the licence server')]);
});

it('a program asks with the client, hears how far it is, and may stop it', async () => {
  const client = new LicenceClient({ url });
  const told: SimulationProgress[] = [];
  const result = await client.simulate({ product: 'erp', days: 2, seats: 5 }, (progress) => told.push(progress));
  expect(result).toMatchObject({ needed: 5, events: 10, today: { refused: 2 }, other: { refused: 0, seats: 5 } });
  expect(told[0]).toMatchObject({ done: expect.any(Number), events: expect.any(Number), at: expect.any(String) });
  await expect(client.simulate({ product: 'erp', days: 0 })).rejects.toMatchObject({ status: 400 });
  const stop = new AbortController();
  stop.abort();
  await expect(client.simulate({ product: 'erp', days: 2 }, undefined, stop.signal)).rejects.toThrow('abort');
});
