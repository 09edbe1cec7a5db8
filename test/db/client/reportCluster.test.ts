import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ClusterReporter } from '../../../cli/cluster/reporter.ts';
import { LicenceClient } from '../../../client/licenceClient.ts';
import { repository } from '../../support/sources.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from '../server/support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from '../server/support/seatServer.ts';
import { until } from '../server/support/serverProcess.ts';

const trade = 'aea71760-15b3-485a-9a35-506eb8a0b04a';
const buh = '899bbbb8-7ffb-4e91-9b3b-8638793108ec';
const cluster = 'd3b07384-d9a1-4b5f-8c6e-2f1a9b7c4e55';

/** Of a session as `rac session list` of 8.3 writes it. */
const session = (n: number, infobase: string, more: Readonly<Record<string, string>> = {}) => {
  const members: Record<string, string> = {
    session: `f028ea3e-5402-4f15-8194-${String(n).padStart(12, '0')}`,
    'session-id': String(n),
    infobase,
    connection: '00000000-0000-0000-0000-000000000000',
    process: '1af2e54f-d95a-4370-9b45-8277280cad23',
    'user-name': `user${n}`,
    host: `PC-${n}`,
    'app-id': '1CV8C',
    locale: 'ru_RU',
    'started-at': '2026-03-02T09:17:30',
    'last-active-at': '2026-03-02T16:24:26',
    hibernate: 'no',
    'passive-session-hibernate-time': '1200',
    'hibernate-session-terminate-time': '86400',
    'blocked-by-dbms': '0',
    'bytes-all': '105972550',
    'db-proc-info': '',
    'client-ip': '10.0.0.7',
    ...more,
  };
  return block(members);
};
const block = (members: Readonly<Record<string, string>>) =>
  `${Object.entries(members)
    .map(([name, value]) => `${name.padEnd(32)} : ${value}`)
    .join('\n')}\n\n`;
const infobases = (...of: readonly (readonly [string, string])[]) =>
  of.map(([infobase, name]) => block({ infobase, name, descr: '"Торговля, ""главная"""' })).join('');

interface Answer {
  readonly out?: string;
  readonly err?: string;
  readonly status?: number;
  readonly hangs?: boolean;
  readonly encoding?: string;
}
const clusterList: Answer = { out: block({ cluster, host: 'srv-1c', port: '1541', name: '"Локальный кластер"' }) };
const bothBases: Answer = { out: infobases([trade, 'Trade'], [buh, 'buh']) };

let database: TestDatabase;
let server: SeatServer;
let url: string;
let dir: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  server = await startSeatServer(database.url, { licences: [{ seatLimit: 5 }, { product: 'acc', seatLimit: 5 }] });
  url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  dir = mkdtempSync(join(tmpdir(), 'rac-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await server.stop();
  await database.drop();
  rmSync(dir, { recursive: true });
});

/** What rac answers from now on. */
const plan = (sessions: Answer, more: Readonly<Record<string, Answer>> = {}) =>
  writeFileSync(
    join(dir, 'plan'),
    JSON.stringify({
      'cluster list': clusterList,
      'infobase summary list': bothBases,
      'session list': sessions,
      ...more,
    }),
  );
const calls = () =>
  existsSync(join(dir, 'plan.calls')) ? readFileSync(join(dir, 'plan.calls'), 'utf8').trim().split('\n') : [];
function start(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const { PATH = '', HOME = '/' } = process.env;
  const child = spawn(
    process.execPath,
    [join(repository, 'cli/licence.ts'), 'report-cluster', '--server', url, ...args],
    {
      env: { PATH, HOME, RAC_PLAN: join(dir, 'plan'), LICENCE_RAC: join(repository, 'test/support/rac.mjs'), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  children.push(child);
  const run = { child, err: '', status: new Promise<number | null>((resolve) => child.on('close', resolve)) };
  child.stderr.on('data', (chunk) => {
    run.err += chunk;
  });
  return run;
}
async function once(args: readonly string[] = ['--base', '*=erp'], env: Readonly<Record<string, string>> = {}) {
  const run = start([...args, '--once'], env);
  return { status: await run.status, err: run.err };
}
const held = async () =>
  (
    (await server.call('GET', '/v1/leases')).body.leases as {
      product: string;
      holder: { base: string; user: string };
    }[]
  )
    .map(({ product, holder }) => `${product} ${holder.base} ${holder.user}`)
    .sort();

describe('licence report-cluster', () => {
  it('reports every base of a cluster by one call of rac, with the sleeping left out', async () => {
    plan({
      out: [
        session(1, trade),
        session(2, trade, { hibernate: 'yes' }),
        session(3, trade, { 'app-id': 'BackgroundJob' }),
        session(4, buh, { 'user-name': 'Анна Иванова', host: '', 'app-id': 'WebClient' }),
        session(5, buh, { 'user-name': '' }),
        session(6, '00000000-0000-0000-0000-000000000000', { 'app-id': 'RAS' }),
      ].join(''),
    });
    expect(await once(['--base', 'TRADE=erp', '--base', '*=acc'])).toEqual({ status: 0, err: '' });
    expect(await held()).toEqual(['acc buh <без имени>', 'acc buh Анна Иванова', 'erp trade user1']);
    expect(calls()).toEqual([
      'cluster list localhost:1545',
      `infobase summary list --cluster=${cluster} localhost:1545`,
      `session list --cluster=${cluster} localhost:1545`,
    ]);
    plan({ out: session(1, trade, { hibernate: 'yes' }) });
    await once(['--base', '*=erp']);
    expect(await held()).toEqual([]);
  });

  it('leaves alone the bases that are not named, and logs in where the cluster wants it', async () => {
    plan({ out: session(1, trade) + session(2, buh) });
    const env = { LICENCE_CLUSTER_PASSWORD: 'secret', LICENCE_CLUSTER_USER: 'admin', LICENCE_RAS: 'srv:1545' };
    expect((await once(['--base', 'buh=erp', '--cluster', cluster], env)).status).toBe(0);
    expect(await held()).toEqual(['erp buh user2']);
    expect(calls().at(-1)).toBe(`session list --cluster=${cluster} --cluster-user=admin --cluster-pwd=secret srv:1545`);
  });

  it.each<[string, Answer, RegExp]>([
    ['hangs', { hangs: true }, /rac gave no answer within 1 s; is ras at localhost:1545 well\?/],
    [
      'has lost its rights, in Russian',
      { err: 'Недостаточно прав пользователя на управление кластером\n', status: 255 },
      /rac is refused: Недостаточно прав/,
    ],
    [
      'has lost its rights, in English',
      { err: 'The administrator of the cluster is not authenticated', status: 255 },
      /rac is refused.*--cluster-user/,
    ],
    ['complains and ends with 0', { err: 'Администратор кластера не аутентифицирован' }, /rac is refused/],
    ['is cut off', { out: session(1, trade) + session(2, trade).slice(0, 300) }, /cannot be read: a block has no/],
    [
      'answers in another language',
      { out: `сеанс : 1\nинформационная-база : ${trade}\n` },
      /cannot be read: "сеанс : 1"/,
    ],
    [
      'answers in another encoding',
      { out: session(1, trade, { 'user-name': 'ÀÍÍÀ' }), encoding: 'latin1' },
      /not UTF-8/,
    ],
    ['answers a page', { out: '<html>' }, /cannot be read/],
    ['answers something else', { out: block({ infobase: trade, name: 'trade' }) }, /does not begin with "session"/],
    ['knows a third kind of sleep', { out: session(1, trade, { hibernate: 'maybe' }) }, /hibernate: maybe/],
    ['ends badly', { out: session(1, trade), status: 1 }, /rac ended with status 1/],
    ['lists a base that is nowhere', { out: session(1, cluster) }, /a session of an unknown base/],
  ])('takes nothing away when rac %s', async (_what, answer, said) => {
    plan({ out: session(1, trade) + session(2, trade) + session(3, buh) });
    await once();
    const before = await held();
    expect(before).toHaveLength(3);
    plan(answer);
    const ended = await once(['--base', '*=erp', '--rac-timeout', '1']);
    expect(ended.err).toMatch(said);
    expect(ended.status).toBe(70);
    expect(await held()).toEqual(before);
  });

  it('says what is missing', async () => {
    plan({ out: '' });
    expect((await once(['--base', '*=erp', '--rac', '/nowhere/rac'])).err).toContain(
      '/nowhere/rac is not there; name it with --rac',
    );
    const two = { out: `${clusterList.out}${block({ cluster: trade, name: 'second' })}` };
    plan({ out: '' }, { 'cluster list': two });
    expect((await once()).err).toContain('ras has 2 clusters; name one with --cluster');
    expect(await once([])).toMatchObject({ status: 64, err: expect.stringContaining("--base '*=erp'") });
    expect((await once(['--base', 'trade'])).err).toContain('must be BASE=PRODUCT');
    expect((await once(['--base', '*=erp', '--every', '0'])).err).toContain('must be more than 0');
    expect((await once(['--base', '*=erp', '--metrics', 'here'])).err).toContain('must be HOST:PORT');
  });

  it('a base that the server refuses is told, and hinders no other', async () => {
    plan({ out: session(1, trade) + session(2, buh) });
    const instance = '6b1f0c0e-7d0a-4a5c-9f2e-2f0d5a3c1b77';
    await server.call('PUT', '/v1/bases/trade/sessions', {
      instance,
      sessions: [{ product: 'erp', user: 'own', host: 'pc' }],
    });
    const ended = await once();
    expect(ended.status).toBe(70);
    expect(ended.err).toMatch(/^licence: trade: .* \(BaseInstanceConflict\)\n$/);
    expect(await held()).toEqual(['erp buh user2', 'erp trade own']);
  });

  it('goes on, round after round, with metrics; says a trouble once, and when it is over', async () => {
    plan({ out: session(1, trade) + session(2, trade, { hibernate: 'yes' }) });
    const run = start(['--base', '*=erp', '--every', '1', '--metrics', '127.0.0.1:0']);
    await until('reported', async () => (await held()).length === 1);
    const at = /metrics at (\S+)/.exec(run.err)?.[1] ?? '';
    const metrics = async () => (await fetch(at)).text();
    await until('metrics', async () => (await metrics()).includes('licence_cluster_rounds_total{outcome="reported"}'));
    expect(await metrics()).toContain('licence_cluster_sessions{base="trade"} 1');
    expect(await metrics()).toContain('licence_cluster_sleeping_sessions{base="trade"} 1');
    expect((await fetch(at.replace('/metrics', '/'))).status).toBe(404);

    plan({ err: 'Недостаточно прав пользователя на управление кластером', status: 255 });
    await until('two failures', async () => /outcome="RacNoRights"} [2-9]/.test(await metrics()));
    expect(run.err.match(/rac is refused/g)).toHaveLength(1);
    expect(await held()).toEqual(['erp trade user1']);

    // a new base, whose sessions are seen before the list of bases is asked for again
    const third = '11111111-15b3-485a-9a35-506eb8a0b04a';
    plan(
      { out: session(1, trade) + session(3, third) },
      { 'infobase summary list': { out: infobases([trade, 'trade'], [third, 'third']) } },
    );
    await until('the new base', async () => (await held()).includes('erp third user3'));
    await until('told', async () => run.err.includes('all bases are reported again'));
    await until('forgotten', async () => !(await metrics()).includes('base="buh"'));
    run.child.kill('SIGTERM');
    expect(await run.status).toBe(0);
  });

  it('asks more and more rarely while the server is away, and as ever when it is back', async () => {
    plan({ out: session(1, trade) });
    process.env.RAC_PLAN = join(dir, 'plan');
    const reporterAt = (address: string) =>
      new ClusterReporter({
        rac: { program: join(repository, 'test/support/rac.mjs'), server: 'localhost:1545', timeoutMs: 10_000 },
        products: new Map([['*', 'erp']]),
        client: new LicenceClient({ url: address }),
        periodMs: 60_000,
        say: () => {},
      });
    const away = reporterAt('http://127.0.0.1:9');
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) waits.push((await away.round()).waitMs / 60_000);
    for (const [i, least] of [2, 4, 8, 10, 10, 10].entries()) {
      expect(waits[i]).toBeGreaterThanOrEqual(least * 0.9);
      expect(waits[i]).toBeLessThanOrEqual(least * 1.1);
    }
    expect((await reporterAt(url).round()).waitMs).toBeLessThanOrEqual(66_000);
    expect(await held()).toEqual(['erp trade user1']);
  });
});
