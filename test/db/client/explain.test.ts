import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LicenceClient, LicenceRefused } from '../../../client/licenceClient.ts';
import { repository } from '../../support/sources.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from '../server/support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from '../server/support/seatServer.ts';

let database: TestDatabase;
let server: SeatServer;
let url: string;
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  server = await startSeatServer(database.url, {
    licences: [{ seatLimit: 5 }],
    rules: [{ name: 'test-bases', match: { bases: ['test*'] }, max: 1 }],
  });
  url = await server.app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  await server.stop();
  await database.drop();
});

const licence = (...args: string[]) =>
  new Promise<{ status: number | null; out: string; err: string }>((resolve, reject) => {
    const child = spawn(process.execPath, [join(repository, 'cli/licence.ts'), 'explain', ...args], {
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

it('licence explain says in lines what a check-out would get, and its exit status says whether', async () => {
  await server.checkOut('anna', {}, 'test-1');
  const asked = ['--product', 'erp', '--user', 'boris', '--host', 'pc'];
  const refused = await licence(...asked, '--base', 'test-2');
  expect([refused.status, refused.err]).toEqual([69, '']);
  expect(refused.out.split('\n')).toEqual([
    'denied: RuleLimit, by the rule test-bases',
    expect.stringContaining('the rule test-bases allows 1 seats of erp'),
    '  + licence                 a key for the product is active',
    '  - rule test-bases (max)   1 of 1 seats are in use  ← decides',
    'held the longest by:',
    expect.stringMatching(/^ {2}anna, pc, test-1: leased, since \d{4}-/),
    '',
  ]);
  const granted = await licence(...asked, '--base', 'trade', '--json');
  expect([granted.status, JSON.parse(granted.out).outcome]).toEqual([0, 'granted']);
  const wrong = await licence(...asked, '--released-on', 'soon');
  expect([wrong.status, wrong.out]).toEqual([64, '']);
  expect(wrong.err).toContain('programReleasedOn');
});

it('a program asks with the client', async () => {
  const client = new LicenceClient({ url });
  const seat = { product: 'erp', holder: { base: 'trade', user: 'anna', host: 'pc' } };
  expect(await client.explain(seat)).toMatchObject({ granted: true, outcome: 'granted' });
  await client.checkOut(seat);
  expect(await client.explain(seat)).toMatchObject({ granted: true, outcome: 'renewed' });
  await expect(client.explain({ ...seat, product: '' })).rejects.toBeInstanceOf(LicenceRefused);
});
