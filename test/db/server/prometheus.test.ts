import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { freePort } from '../../../cluster/process.ts';
import { ensureTools } from '../../../cluster/tools.ts';
import { startPrometheus } from '../../support/prometheus.ts';
import { repository } from '../../support/sources.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { type Computer, createComputer, ServerProcess, until } from './support/serverProcess.ts';

// The real Prometheus against the real program: what it sends as a token, and what its rules make of a restart.
const { prometheus: program } = await ensureTools(['prometheus'], 'to scrape a server');
let computer: Computer | undefined;
let server: ServerProcess | undefined;
let database: TestDatabase | undefined;
let prometheus: Awaited<ReturnType<typeof startPrometheus>> | undefined;
const dir = mkdtempSync(join(tmpdir(), 'licence-prometheus-'));
afterEach(async () => {
  await prometheus?.stop();
  await server?.stop();
  await database?.drop();
  computer?.remove();
  rmSync(dir, { recursive: true, force: true });
});

const token = (what: string) => `${what}-token-of-more-than-sixteen`;
const scrape = (address: string, file: string) => ({
  job_name: 'head',
  authorization: { type: 'Bearer', credentials_file: file },
  static_configs: [{ targets: [address], labels: { namespace: 'office', service: 'head' } }],
});

it('is scraped while two tokens are accepted, and its alerts go on over a restart', async () => {
  computer = await createComputer(1);
  const tokens = join(dir, 'tokens');
  mkdirSync(tokens, { recursive: true });
  const files = { client: 'client', admin: 'admin', metrics: 'old', 'metrics-next': 'new' };
  for (const [file, what] of Object.entries(files)) writeFileSync(join(tokens, file), token(what));
  const port = await freePort();
  database = await createTestDatabase(ledgerTemplate);
  const env = {
    ...computer.env,
    DATABASE_URL: database.url,
    LICENCE_TOKENS_DIR: tokens,
    LICENCE_LISTEN: `127.0.0.1:${port}`,
  };
  server = await ServerProcess.start(env);
  const heldFor = await server.call('POST', '/v1/checkouts', {
    product: 'erp',
    mode: 'sticky',
    holder: { base: 'b', user: 'u', host: 'h' },
  });
  expect(heldFor.status).toBe(201);
  // Each as a ServiceMonitor makes Prometheus send it: the whole of one key of the Secret.
  const jobs = ['metrics', 'metrics-next'].map((file) => ({
    ...scrape(`127.0.0.1:${port}`, join(tokens, file)),
    job_name: file,
  }));
  prometheus = await startPrometheus(program, jobs, [join(repository, 'charts/licence-operator/files/alerts.yaml')]);
  const targets = () => prometheus?.targets() ?? Promise.resolve([]);
  await until(
    'both tokens are taken',
    async () => (await targets()).filter(({ health }) => health === 'up').length === 2,
  );

  const firing = async (at = '') =>
    (await prometheus?.query(`ALERTS{alertname="LicenceSeatsExhausted",alertstate="firing",job="metrics"}${at}`)) ?? [];
  await until('no seat is free', async () => (await firing()).length === 1, 150_000);
  await server.stop();
  await until('it is seen to be away', async () => (await targets()).every(({ health }) => health === 'down'));
  expect(await firing()).toHaveLength(1);
  server = await ServerProcess.start(env);
  await until('it is back', async () => (await targets()).every(({ health }) => health === 'up'));
  await until(
    'the seat is told of again',
    async () => (await prometheus?.query('licence_seats_in_use == 1'))?.length === 2,
  );
  const since = await prometheus.query(
    'changes(ALERTS_FOR_STATE{alertname="LicenceSeatsExhausted",job="metrics"}[5m])',
  );
  expect(await firing()).toHaveLength(1);
  expect(since.map(({ value }) => value[1])).toEqual(['0']);
}, 300_000);
