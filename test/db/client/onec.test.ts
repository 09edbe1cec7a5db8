import { createServer, type Server } from 'node:http';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commonModules } from '../../../client/1c/model.ts';
import { linesOf } from '../../support/bsl/check.ts';
import { Client, type ClientOptions } from '../../support/bsl/client.ts';
import { Infobase, type InfobaseOptions } from '../../support/bsl/infobase.ts';
import { programOf, sourceOf } from '../../support/bsl/sources.ts';
import { Structure, textOf } from '../../support/bsl/values.ts';
import { World } from '../../support/bsl/world.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from '../server/support/ledgerDatabase.ts';
import { type SeatServer, type SeatServerOptions, startSeatServer } from '../server/support/seatServer.ts';

// The shipped modules, run by an interpreter with a model of the platform's manners, against the real server. What it cannot show
// is listed in docs/ru/1c.md.

let database: TestDatabase;
let server: SeatServer;
let url: string;
let world: World;
const closers: (() => Promise<unknown>)[] = [];
const ran = new Map<string, Set<number>>();

const tokenOf = { client: 'client-token-of-the-test', admin: 'admin-token-of-the-test' };
async function start(options: SeatServerOptions = {}): Promise<void> {
  server = await startSeatServer(database.url, { licences: [{ seatLimit: 3 }], leaseMs: 300_000, ...options });
  url = await server.app.listen({ host: '127.0.0.1', port: 0 });
}
beforeEach(async () => {
  database = await createTestDatabase(ledgerTemplate);
  await start();
  world = new World();
});
afterEach(async () => {
  for (const [module, lines] of world.executed) ran.set(module, new Set([...(ran.get(module) ?? []), ...lines]));
  for (const close of closers.splice(0)) await close();
  await server.stop();
  await database.drop();
});

const cluster = 'Srvr="srv-1c";Ref="Trade";';
const base = (more: Partial<InfobaseOptions> = {}, constants: Readonly<Record<string, string>> = {}): Infobase =>
  new Infobase(world, {
    connection: cluster,
    ...more,
    constants: { ЛицензииАдресСервера: url, ЛицензииПродукт: 'erp', ...constants },
  });
const enter = (to: Infobase, user: string, more: Partial<ClientOptions> = {}) => Client.start(to, { user, ...more });
/** What a vendor writes into the overridable module. */
const vendor = (...lines: readonly string[]) => {
  const path = 'CommonModules/ЛицензииПереопределяемый/Ext/Module.bsl';
  const text = sourceOf(path);
  const at = text.indexOf('Экспорт') + 'Экспорт'.length;
  return { [path]: `${text.slice(0, at)}\n${lines.join('\n')}\n${text.slice(at)}` };
};
/** Minutes as they pass: clients run their idle handlers, and then the job runs. */
async function pass(minutes: number, of: Infobase, clients: readonly Client[] = []): Promise<void> {
  for (let i = 0; i < minutes; i++) {
    world.pass(60);
    for (const client of clients) if (client.state === 'running') await client.pass(0);
    await of.runJob();
  }
}
const held = async (): Promise<string[]> =>
  ((await server.call('GET', '/v1/leases')).body.leases as { holder: { user: string } }[])
    .map((l) => l.holder.user)
    .sort();
const texts = (client: Client) => client.dialogs.map(({ text }) => text);
const mayWrite = async (client: Client): Promise<boolean> =>
  (await client.server('Лицензии', 'ТолькоПросмотр')) === false;
const constant = (of: Infobase, name: string) => textOf(of.constants.get(name));
/** Something else than a licence server. */
async function pretender(
  answer: (path: string) => { status: number; headers?: Record<string, string>; body?: string },
): Promise<string> {
  const other: Server = createServer((request, response) => {
    const { status, headers = {}, body = '' } = answer(request.url ?? '');
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => other.close(resolve)));
  const address = other.address();
  return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
}

describe('a base in a cluster', () => {
  it('takes a seat when a session starts, and gives it back when it ends, without a server call where 1C forbids one', async () => {
    const trade = base();
    const anna = await enter(trade, 'Анна');
    expect(texts(anna)).toEqual([]);
    expect(await held()).toEqual(['Анна']);
    await anna.close(); // the model fails a server call in an exit handler
    expect(anna.state).toBe('ended');
    expect(await held()).toEqual([]);
    expect(trade.register.size).toBe(0);
  });

  it('a session that is not licensed ends with a reason in words, or may only look', async () => {
    const trade = base();
    for (const user of ['Анна', 'Борис', 'Вера']) await enter(trade, user);
    const guest = await enter(trade, 'Гость');
    expect(texts(guest)).toEqual(['Все места заняты: 3 из 3. Попробуйте позже.']);
    await guest.answer();
    expect(guest.state).toBe('ended');
    expect(await held()).toEqual(['Анна', 'Борис', 'Вера']);

    const looking = base({
      connection: 'Srvr="srv-1c";Ref="look";',
      modules: vendor('Настройки.ПросмотрБезМеста = Истина;'),
    });
    const viewer = await enter(looking, 'Даша');
    await viewer.answer();
    expect(viewer.state).toBe('running');
    expect(await mayWrite(viewer)).toBe(false);
    await expect(viewer.server('Лицензии', 'ПроверитьПравоИзменения')).rejects.toThrow('доступен только просмотр');
  });

  it('a refused session gets its seat by itself when one comes free, and may write again', async () => {
    const trade = base({ modules: vendor('Настройки.ПросмотрБезМеста = Истина;') });
    const others: Client[] = [];
    for (const user of ['Анна', 'Борис', 'Вера']) others.push(await enter(trade, user));
    const viewer = await enter(trade, 'Гость');
    await viewer.answer();
    await others[0]?.close();
    await pass(5, trade, [...others, viewer]);
    expect(await held()).toEqual(['Борис', 'Вера', 'Гость']);
    expect(viewer.notices).toEqual(['Лицензия получена, можно работать.']);
    expect(await mayWrite(viewer)).toBe(true);
  });

  it('the job keeps seats by heartbeats, in pieces, before anything else', async () => {
    await server.setLicences([{ seatLimit: 2000 }]);
    const trade = base();
    const clients: Client[] = [];
    for (let i = 0; i < 501; i++) clients.push(await enter(trade, `u${i}`));
    world.requests.length = 0;
    await clients[0]?.close();
    clients[1]?.kill();
    trade.leave((clients[1] as Client).row); // the cluster has ended its session
    world.requests.length = 0;
    await trade.runJob();
    expect(world.requests.map((r) => r.replace(/\/v1\/leases\/.*/, '/v1/leases'))).toEqual([
      'POST /v1/heartbeats',
      'DELETE /v1/leases',
    ]);
    for (let i = 0; i < 10; i++) await enter(trade, `v${i}`);
    world.requests.length = 0;
    await trade.runJob();
    expect(world.requests).toEqual(['POST /v1/heartbeats', 'POST /v1/heartbeats']);
    expect(await held()).toHaveLength(100); // a page of them
  }, 120_000);

  it('a release that fails costs nobody his seat', async () => {
    const trade = base();
    const anna = await enter(trade, 'Анна');
    const gone = await enter(trade, 'Борис');
    gone.kill();
    trade.leave(gone.row);
    const broken = await pretender((path) =>
      path.includes('/leases/')
        ? { status: 503, body: '{"reason":"Unavailable"}' }
        : { status: 200, body: '{"lost":[]}' },
    );
    trade.constants.set('ЛицензииАдресСервера', broken);
    world.requests.length = 0;
    await trade.runJob();
    expect(world.requests.map((r) => r.split(' ')[0])).toEqual(['POST', 'DELETE']);
    trade.constants.set('ЛицензииАдресСервера', url);
    await trade.runJob();
    expect(await held()).toEqual(['Анна']);
    expect(anna.state).toBe('running');
  });

  it('a killed client gives its seat back within half an hour, long before the cluster ends its session', async () => {
    const trade = base();
    const anna = await enter(trade, 'Анна');
    const boris = await enter(trade, 'Борис');
    boris.kill(); // it stays in the list of sessions, asleep
    await pass(25, trade, [anna]);
    expect(await held()).toEqual(['Анна', 'Борис']);
    await pass(10, trade, [anna]);
    expect(await held()).toEqual(['Анна']);
    await pass(5, trade, [anna]);
    expect(await held()).toEqual(['Анна']); // the sleeping session does not come back by itself
  });

  it('a session that wakes takes its seat again', async () => {
    const trade = base();
    const anna = await enter(trade, 'Анна');
    await pass(40, trade); // nothing is heard of it
    expect(await held()).toEqual([]);
    expect(await mayWrite(anna)).toBe(true);
    await pass(1, trade, [anna]);
    expect(await held()).toEqual(['Анна']);
  });

  it('a lease that was taken away is checked out again by the job', async () => {
    const trade = base();
    const anna = await enter(trade, 'Анна');
    const [lease] = trade.leases();
    await server.call('POST', `/v1/leases/${lease}:release`, { reason: 'a test' });
    await pass(1, trade, [anna]);
    expect(await held()).toEqual(['Анна']);
    expect(trade.leases()).not.toEqual([lease]);
  });

  it('a seat that went to somebody else leaves its session open, to look at', async () => {
    await server.setLicences([{ seatLimit: 1 }]);
    const trade = base();
    const anna = await enter(trade, 'Анна');
    await server.call('POST', `/v1/leases/${trade.leases()[0]}:release`, { reason: 'a test' });
    await server.checkOut('stranger');
    await pass(6, trade, [anna]);
    expect(texts(anna)).toEqual(['Все места заняты: 1 из 1. Попробуйте позже.']);
    expect([anna.state, await mayWrite(anna)]).toEqual(['running', false]);
    expect(trade.journal.join()).toContain('работает без места');
  });

  it('counts people, whatever client they use, and no services', async () => {
    const trade = base();
    await server.setLicences([{ seatLimit: 50 }]);
    const people = ['1CV8', '1CV8C', 'WebClient', 'MobileClient', 'SomethingNew'];
    const services = [
      'Designer',
      'COMConnection',
      'WSConnection',
      'HTTPServiceConnection',
      'BackgroundJob',
      'SystemBackgroundJob',
    ];
    for (const application of [...people, ...services]) {
      trade.enter({ application, user: application, computer: 'PC', isAdmin: false, hasFullRights: false });
    }
    await trade.runJob();
    expect(await held()).toEqual([...people].sort());
    const web = (await server.call('GET', '/v1/leases')).body.leases.find(
      (l: { holder: { user: string } }) => l.holder.user === 'WebClient',
    );
    expect(web.holder.host.toLowerCase()).toBe('webclient');
    const service = await enter(trade, 'робот', { application: 'COMConnection' });
    await service.pass(300);
    expect(await held()).toEqual([...people].sort());
    expect(await mayWrite(service)).toBe(true);
  });

  it('a browser that is closed is not held up: the job gives its seat back', async () => {
    const trade = base();
    const web = await enter(trade, 'Анна', { application: 'WebClient' });
    await web.close();
    expect([web.state, await held()]).toEqual(['ended', ['Анна']]);
    await trade.runJob();
    expect(await held()).toEqual([]);
  });

  it('a session without a name, and the moments of sessions, are told apart', async () => {
    const trade = base();
    await enter(trade, '');
    await enter(trade, '');
    expect(await held()).toEqual(['<без имени>', '<без имени>']);
  });

  it('knows features of the licence, for editions', async () => {
    const trade = base();
    const answer = JSON.stringify({
      leaseId: '0199a0b4-0000-7000-8000-000000000000',
      features: ['КОРП', 'grace-hours=1'],
    });
    trade.constants.set('ЛицензииАдресСервера', await pretender(() => ({ status: 201, body: answer })));
    const anna = await enter(trade, 'Анна');
    expect(await anna.server('Лицензии', 'ЕстьВозможность', 'корп')).toBe(true);
    expect(await anna.server('Лицензии', 'ЕстьВозможность', 'ПРОФ')).toBe(false);
    const service = await enter(trade, 'робот', { application: 'COMConnection' });
    expect(await service.server('Лицензии', 'ЕстьВозможность', 'КОРП')).toBe(true);
  });

  it('knows the features that the server tells', async () => {
    await server.setLicences([{ seatLimit: 3, features: ['КОРП'] }]);
    const anna = await enter(base(), 'Анна');
    expect(await anna.server('Лицензии', 'ЕстьВозможность', 'КОРП')).toBe(true);
  });

  it('asks for support by the release date that the vendor names', async () => {
    await server.setLicences([{ seatLimit: 3, supportPolicy: 'require', supportUntil: '2026-01-01T00:00:00Z' }]);
    const trade = base({ modules: vendor("Настройки.ДатаВыпуска = '20260301';") });
    const anna = await enter(trade, 'Анна');
    expect(texts(anna)).toEqual(['Эта версия вышла после окончания поддержки. Продлите поддержку.']);
  });

  it('takes as many seats for a session, and for what feature, as the vendor names', async () => {
    await server.setLicences([{ seatLimit: 3, features: ['КОРП'] }]);
    await enter(base({ modules: vendor('Настройки.Возможность = "КОРП";', 'Настройки.Мест = 2;') }), 'Анна');
    const { leases } = (await server.call('GET', '/v1/leases')).body;
    expect(leases).toMatchObject([{ feature: 'КОРП', seats: 2 }]);
    const boris = await enter(base({ modules: vendor('Настройки.Возможность = "Склад";') }), 'Борис');
    expect(texts(boris)).toEqual(['В лицензии нет возможности, для которой нужно место. Обратитесь к администратору.']);
  });
});

describe('a base that only reports', () => {
  const reporting = () =>
    base({ modules: vendor('Настройки.ПоОтчету = Истина;', "Настройки.ДатаВыпуска = '20260301';") });

  it('takes and gives back seats by the report alone, refusals included', async () => {
    const trade = reporting();
    const clients: Client[] = [];
    for (const user of ['Анна', 'Борис', 'Вера', 'Гость']) clients.push(await enter(trade, user));
    expect(await held()).toEqual([]);
    await pass(1, trade, clients);
    expect(await held()).toHaveLength(3);
    const writing = await Promise.all(clients.map(mayWrite));
    expect(writing.filter((may) => !may)).toHaveLength(1);
    expect(trade.journal.join()).toContain('работает без места: Все места заняты');
    const journal = trade.journal.length;
    await pass(3, trade, clients);
    expect(trade.journal).toHaveLength(journal); // the same is not said every minute
    for (const client of clients) await client.close();
    await trade.runJob();
    expect(await held()).toEqual([]);
    expect(trade.register.size).toBe(0);
  });

  it('knows the features that the answer to a report tells', async () => {
    await server.setLicences([{ seatLimit: 3, features: ['КОРП'] }]);
    const trade = reporting();
    const anna = await enter(trade, 'Анна');
    expect(await anna.server('Лицензии', 'ЕстьВозможность', 'КОРП')).toBe(false);
    await pass(1, trade, [anna]);
    expect(await anna.server('Лицензии', 'ЕстьВозможность', 'КОРП')).toBe(true);
  });

  it('leaves sleeping sessions out of the report', async () => {
    const trade = reporting();
    const anna = await enter(trade, 'Анна');
    await pass(6, trade, [anna]);
    anna.kill();
    await pass(40, trade);
    expect(await held()).toEqual([]);
  });
});

describe('when the server is away or something is wrong', () => {
  it('people work on without a word while the grace lasts, and may only look after it', async () => {
    const trade = base({}, { ЛицензииАдресСервера: 'http://127.0.0.1:9' });
    const anna = await enter(trade, 'Анна');
    const admin = await enter(trade, 'Админ', { isAdmin: true });
    expect(texts(anna)).toEqual([]);
    expect(texts(admin).join()).toMatch(
      /Сервер лицензий http:\/\/127\.0\.0\.1:9 не отвечает[\s\S]*Работать можно до 05\.03\.2026 09:00:00/,
    );
    expect(await mayWrite(anna)).toBe(true);
    world.pass(72 * 3600 + 1);
    expect(await mayWrite(anna)).toBe(false);
    await anna.pass(0);
    expect(texts(anna).join()).toContain('только просмотр: нет связи');
    // somebody new is told at once, an administrator with the reason
    expect(texts(await enter(trade, 'Борис')).join()).toContain('только просмотр');
    expect(texts(await enter(trade, 'Админ', { isAdmin: true })).join()).toContain('Льготный срок истёк');
    trade.constants.set('ЛицензииАдресСервера', url);
    await pass(1, trade, [anna]);
    expect(await mayWrite(anna)).toBe(true);
    expect(constant(trade, 'ЛицензииСостояниеОбмена')).toBe('');
    expect(trade.journal.at(-1)).toContain('снова отвечает');
  });

  it('the licence names the grace', async () => {
    const trade = base();
    const answer = JSON.stringify({
      leaseId: '0199a0b4-0000-7000-8000-000000000000',
      heartbeatAfterSeconds: 100,
      features: ['grace-hours=2'],
    });
    trade.constants.set('ЛицензииАдресСервера', await pretender(() => ({ status: 201, body: answer })));
    const anna = await enter(trade, 'Анна');
    trade.constants.set('ЛицензииАдресСервера', 'http://127.0.0.1:9');
    await trade.runJob();
    world.pass(3600);
    expect(await mayWrite(anna)).toBe(true);
    world.pass(3700);
    expect(await mayWrite(anna)).toBe(false);
  });

  it('an outage takes no seat and asks once a minute, not once for each session', async () => {
    const trade = base();
    const clients = [await enter(trade, 'Анна'), await enter(trade, 'Борис')];
    const leases = trade.leases();
    trade.constants.set(
      'ЛицензииАдресСервера',
      await pretender(() => ({ status: 503, headers: { 'retry-after': '5' } })),
    );
    world.requests.length = 0;
    await pass(3, trade, clients);
    expect(world.requests).toHaveLength(3);
    expect(trade.journal).toHaveLength(1);
    trade.constants.set('ЛицензииАдресСервера', url);
    await pass(1, trade, clients);
    expect(trade.leases().sort()).toEqual(leases.sort());
    expect(await held()).toEqual(['Анна', 'Борис']);
  });

  it.each([
    [
      'a redirect',
      301,
      { Location: 'https://licences.example.org/v1/checkouts' },
      '',
      'https://licences.example.org/v1/checkouts. Укажите его',
    ],
    ['a redirect to nowhere', 302, {}, '', 'отправляет на другой адрес: ?'],
    ['a page', 200, { 'content-type': 'text/html' }, '<html>Welcome</html>', 'отвечает не сервер лицензий'],
    ['a broken answer', 200, {}, '{"leaseId":', 'отвечает не сервер лицензий'],
    ['a wrong token', 401, {}, '{"reason":"TokenInvalid"}', 'не принимает токен'],
    ['a token of another role', 403, {}, '{"reason":"RoleInsufficient"}', 'не принимает токен'],
    ['a wrong path', 404, {}, 'nothing here', 'не понял запроса: 404 nothing here'],
    [
      'a request that is refused',
      400,
      {},
      '{"reason":"InvalidRequest","detail":"product: at most 63"}',
      'product: at most 63 (400)',
    ],
    ['a busy server', 429, {}, '', 'сейчас не может ответить: 429'],
    ['a gateway without a server', 502, {}, '<html>', 'сейчас не может ответить: 502'],
    [
      'a base of the same name elsewhere',
      409,
      {},
      '{"reason":"BaseInstanceConflict"}',
      'Под именем trade сервер лицензий знает другую базу',
    ],
    ['an unknown product', 409, {}, '{"reason":"ProductUnknown"}', 'нет ключа этого продукта'],
  ])(
    '%s is told to the administrator, and nobody works for free without end',
    async (_what, status, headers, body, said) => {
      const trade = base({}, { ЛицензииАдресСервера: await pretender(() => ({ status, headers, body })) });
      const admin = await enter(trade, 'Админ', { isAdmin: true });
      expect(texts(admin).join()).toContain(said);
      const anna = await enter(trade, 'Анна');
      expect(texts(anna)).toEqual([]);
      expect(constant(trade, 'ЛицензииСостояниеОбмена')).toContain(said);
      world.pass(73 * 3600);
      expect(await mayWrite(anna)).toBe(false);
    },
  );

  it.each([
    ['seats that are kept for others', '{"reason":"SeatsReserved"}', 'закреплены за другими'],
    ['a licence that ended', '{"reason":"KeyExpired"}', 'Срок лицензии закончился'],
    ['a person without a seat', '{"reason":"NotAssigned"}', 'лицензия именная'],
    ['whom a rule keeps out', '{"reason":"NotPermitted"}', 'не разрешает вам занять место'],
    ['a bound that is reached', '{"reason":"RuleLimit"}', 'сколько разрешает правило'],
    [
      'a reason of tomorrow',
      '{"reason":"MoonFull","detail":"the moon is full"}',
      'Лицензия не получена: the moon is full (MoonFull)',
    ],
    ['taken seats without counts', '{"reason":"SeatsExhausted"}', 'Все места заняты: ? из ?'],
  ])('%s is a refusal at once', async (_what, body, said) => {
    const trade = base({}, { ЛицензииАдресСервера: await pretender(() => ({ status: 409, body })) });
    const anna = await enter(trade, 'Анна');
    expect(texts(anna).join()).toContain(said);
    await anna.answer();
    expect(anna.state).toBe('ended');
  });

  it.each([
    ['no address', { ЛицензииАдресСервера: '' }, 'Укажите адрес'],
    ['an address without a scheme', { ЛицензииАдресСервера: 'licences.example.org:8080' }, 'Укажите адрес'],
    ['an address without a host', { ЛицензииАдресСервера: 'http:///' }, 'Укажите адрес'],
    ['a port that is no number', { ЛицензииАдресСервера: 'http://licences:port' }, 'Укажите адрес'],
    ['no product', { ЛицензииПродукт: ' ' }, 'Укажите продукт'],
  ])('%s: the administrator is told, without a request', async (_what, constants, said) => {
    const trade = base({}, constants);
    expect(texts(await enter(trade, 'Админ', { isAdmin: true })).join()).toContain(said);
    expect(world.requests).toEqual([]);
  });

  it('with the right token the server is asked, with a path before it, and without a last slash', async () => {
    const paths: string[] = [];
    const proxy = await pretender((path) => {
      paths.push(path);
      return { status: 201, body: '{"leaseId":"0199a0b4-0000-7000-8000-000000000000"}' };
    });
    const trade = base({}, { ЛицензииАдресСервера: `${proxy}/licences/`, ЛицензииТокен: tokenOf.client });
    await enter(trade, 'Анна');
    expect(paths).toEqual(['/licences/v1/checkouts']);
  });

  it('https is believed only by authorities', async () => {
    const trade = base({}, { ЛицензииАдресСервера: url.replace('http:', 'https:') });
    expect(texts(await enter(trade, 'Админ', { isAdmin: true })).join()).toContain('не отвечает');
    const own = base({}, { ЛицензииАдресСервера: 'https://127.0.0.1', ЛицензииФайлСертификатов: '/nowhere/ca.pem' });
    expect(texts(await enter(own, 'Админ', { isAdmin: true })).join()).toContain(
      'Ошибка при чтении файла сертификатов',
    );
  });

  it('a lease that is too short for a job a minute is told once', async () => {
    await server.stop();
    await start({ leaseMs: 120_000 });
    const trade = base();
    await enter(trade, 'Анна');
    await enter(trade, 'Борис');
    expect(trade.journal).toHaveLength(1);
    expect(trade.journal[0]).toContain('LICENCE_LEASE_SECONDS=300');
  });
});

describe('when the base itself fails', () => {
  it('a session that cannot reach its server says nothing, and its exit is not held up', async () => {
    const trade = base();
    const anna = await enter(trade, 'Анна');
    anna.isCutOff = true;
    await anna.pass(300);
    expect(texts(anna)).toEqual([]);
    await anna.close();
    expect([anna.state, await held()]).toEqual(['ended', ['Анна']]);
    await trade.runJob();
    expect(await held()).toEqual([]);
  });

  it('a locked register undoes what was begun, and is an error of the platform', async () => {
    const trade = base();
    trade.isLocked = true;
    await expect(enter(trade, 'Анна')).rejects.toThrow('Конфликт блокировок');
    trade.isLocked = false;
    expect([constant(trade, 'ЛицензииИдентификаторБазы'), trade.register.size]).toEqual(['', 0]);
    const anna = await enter(trade, 'Анна');
    trade.isLocked = true;
    await expect(trade.runJob()).rejects.toThrow('Конфликт блокировок'); // a seat was granted, and nobody wrote it down
    await anna.pass(300); // the client goes on
    trade.isLocked = false;
    await trade.runJob();
    expect(await held()).toEqual(['Анна', 'Анна']); // of two sessions, one seat each
  });

  it('the job stops at the first call that gets no answer, whatever it is doing', async () => {
    await server.setLicences([{ seatLimit: 2000 }]);
    const trade = base();
    for (let i = 0; i < 501; i++) await enter(trade, `u${i}`);
    const away = await pretender(() => ({ status: 503 }));
    trade.constants.set('ЛицензииАдресСервера', away);
    world.requests.length = 0;
    await trade.runJob();
    expect(world.requests).toEqual(['POST /v1/heartbeats']);

    // heartbeats are answered, the rest is not
    const half = await pretender((path) =>
      path.endsWith('/heartbeats') ? { status: 200, body: '{"lost":[]}' } : { status: 503 },
    );
    trade.constants.set('ЛицензииАдресСервера', half);
    for (const user of ['новый', 'ещё'])
      trade.enter({ application: '1CV8C', user, computer: 'PC', isAdmin: false, hasFullRights: false });
    world.requests.length = 0;
    await trade.runJob();
    expect(world.requests.slice(2)).toEqual(['POST /v1/checkouts']);
    trade.constants.set('ЛицензииАдресСервера', url);
    await trade.runJob();
    trade.constants.set('ЛицензииАдресСервера', half);
    world.pass(40 * 60); // all are silent now
    world.requests.length = 0;
    await trade.runJob();
    expect(world.requests.map((r) => r.split(' ')[0])).toEqual(['DELETE']);
  }, 120_000);

  it('a report that gets no answer changes nothing', async () => {
    const trade = base({ modules: vendor('Настройки.ПоОтчету = Истина;') });
    const anna = await enter(trade, 'Анна');
    await pass(1, trade, [anna]);
    trade.constants.set('ЛицензииАдресСервера', 'http://127.0.0.1:9');
    await pass(1, trade, [anna]);
    expect([await held(), await mayWrite(anna)]).toEqual([['Анна'], true]);
  });

  it('what a refused session leaves is forgotten', async () => {
    await server.setLicences([{ seatLimit: 0 }]);
    const trade = base();
    const anna = await enter(trade, 'Анна');
    await anna.answer();
    expect(trade.register.size).toBe(1);
    await trade.runJob();
    expect(trade.register.size).toBe(0);
  });

  it('a grace that is no number is not one', async () => {
    const answer =
      '{"leaseId":"0199a0b4-0000-7000-8000-000000000000","features":["grace-hours=1e9","grace-hours=","grace-hours=999999"]}';
    const trade = base({}, { ЛицензииАдресСервера: await pretender(() => ({ status: 201, body: answer })) });
    const anna = await enter(trade, 'Анна');
    trade.constants.set('ЛицензииАдресСервера', 'http://127.0.0.1:9');
    await trade.runJob();
    world.pass(71 * 3600);
    expect(await mayWrite(anna)).toBe(true);
    world.pass(2 * 3600);
    expect(await mayWrite(anna)).toBe(false);
  });
});

describe('a copy of a base', () => {
  it('touches nothing of production, and says what it is', async () => {
    const trade = base();
    const anna = await enter(trade, 'Анна');
    await trade.runJob();
    const copy = trade.copy('Srvr="srv-test";Ref="Trade";');
    world.requests.length = 0;
    await pass(5, copy);
    const tester = await enter(copy, 'Тестер');
    expect(world.requests).toEqual([]);
    expect(await held()).toEqual(['Анна']);
    expect(texts(tester)).toEqual([]);
    const admin = await enter(copy, 'Админ', { isAdmin: true });
    expect(texts(admin).join()).toContain(
      'База похожа на копию: раньше она была здесь: srv-1c|trade, а теперь здесь: srv-test|trade',
    );
    await admin.answer('Ответить позже');
    expect(world.requests).toEqual([]);
    world.pass(73 * 3600);
    expect(await mayWrite(tester)).toBe(false); // no way round the licence
    await tester.close();
    expect([tester.state, await held()]).toEqual(['ended', ['Анна']]);
    expect(anna.state).toBe('running');
  });

  it('becomes a base of its own when the administrator says so', async () => {
    const trade = base();
    await enter(trade, 'Анна');
    const copy = trade.copy('Srvr="srv-test";Ref="Trade";');
    const admin = await enter(copy, 'Админ', { isAdmin: true });
    await admin.answer('Это копия');
    expect(await held()).toEqual(['Админ', 'Анна']);
    await pass(2, copy, [admin]);
    await pass(2, trade);
    expect(await held()).toEqual(['Админ', 'Анна']);
    const { leases } = (await server.call('GET', '/v1/leases')).body;
    const bases = leases.map((l: { holder: { base: string } }) => l.holder.base).sort();
    expect(bases).toEqual(['trade', expect.stringMatching(/^trade-[0-9a-f]{8}$/)]);
    expect(constant(copy, 'ЛицензииИдентификаторБазы')).not.toBe(constant(trade, 'ЛицензииИдентификаторБазы'));
  });

  it('is the same base on a new server when the administrator says that', async () => {
    const trade = base();
    const anna = await enter(trade, 'Анна');
    await anna.close();
    const moved = trade.copy('Srvr="srv-new,srv-reserve";Ref="Trade";');
    const admin = await enter(moved, 'Админ', { isAdmin: true });
    await admin.answer('База перенесена');
    expect(await held()).toEqual(['Админ']);
    expect(constant(moved, 'ЛицензииИдентификаторБазы')).toBe(constant(trade, 'ЛицензииИдентификаторБазы'));
    await pass(1, moved, [admin]);
    expect(texts(await enter(moved, 'Борис'))).toEqual([]);
  });

  it('a base of the same name in another cluster is refused by the server, until it has a name of its own', async () => {
    const trade = base();
    await enter(trade, 'Анна');
    const stranger = base({ connection: 'Srvr="elsewhere";Ref="TRADE";' });
    const admin = await enter(stranger, 'Админ', { isAdmin: true });
    expect(texts(admin).join()).toContain('Под именем trade сервер лицензий знает другую базу');
    await pass(2, stranger, [admin]);
    await pass(2, trade);
    expect(await held()).toEqual(['Анна']);
    stranger.constants.set('ЛицензииИмяБазы', 'trade-2');
    await pass(1, stranger, [admin]);
    expect(await held()).toEqual(['Админ', 'Анна']);
    const reporting = base({
      connection: 'Srvr="third";Ref="trade";',
      modules: vendor('Настройки.ПоОтчету = Истина;'),
    });
    await enter(reporting, 'Борис');
    await reporting.runJob();
    expect(await held()).toEqual(['Админ', 'Анна']);
    expect(constant(reporting, 'ЛицензииСостояниеОбмена')).toContain('Под именем trade');
  });

  it('only an administrator answers', async () => {
    const trade = base();
    await enter(trade, 'Анна');
    const copy = trade.copy('Srvr="srv-test";Ref="Trade";');
    const tester = await enter(copy, 'Тестер');
    await expect(tester.server('ЛицензииВызовСервера', 'ОтветитьОКопии', true)).rejects.toThrow('только администратор');
  });

  it('the same name in another case, and another name of the same cluster in the list, are no copy', async () => {
    const trade = base();
    await enter(trade, 'Анна');
    expect(texts(await enter(trade, 'Админ', { isAdmin: true, connection: 'Srvr="SRV-1C";Ref="TRADE";' }))).toEqual([]);
    expect(await held()).toEqual(['Админ', 'Анна']);
  });
});

describe('a base in a file', () => {
  const path = 'D:\\Bases\\Торговля';
  const file = (more: Partial<InfobaseOptions> = {}) => {
    world.mount('PC-1', path, 'disk');
    return base({ connection: `File="${path}";`, ...more });
  };

  it('holds seats that stay, under a name of its own, and gives them back at the exit', async () => {
    const trade = file();
    const anna = await enter(trade, 'Анна', { computer: 'PC-1' });
    const [lease] = (await server.call('GET', '/v1/leases')).body.leases;
    expect(lease).toMatchObject({ mode: 'sticky', holder: { user: 'Анна' } });
    expect(lease.holder.base).toMatch(/^торговля-[0-9a-f]{8}$/);
    await anna.close();
    expect(await held()).toEqual([]);
  });

  it('a seat of a client that crashed is given back by the next one who comes, job or no job', async () => {
    const trade = file();
    trade.areJobsAllowed = false;
    const anna = await enter(trade, 'Анна', { computer: 'PC-1' });
    anna.kill();
    trade.leave(anna.row);
    const never = await enter(trade, 'Борис', { computer: 'PC-1', application: 'Designer' });
    expect(await held()).toEqual(['Анна']);
    await never.close();
    await enter(trade, 'Вера', { computer: 'PC-1' });
    expect(await held()).toEqual(['Вера']);
  });

  it('does not report even if the vendor wants it to: its job runs only while somebody is in', async () => {
    const trade = file({ modules: vendor('Настройки.ПоОтчету = Истина;') });
    await enter(trade, 'Анна', { computer: 'PC-1' });
    expect(await held()).toEqual(['Анна']);
  });

  it('is the same base from another computer, by another path', async () => {
    const trade = file();
    world.mount('PC-2', '\\\\PC-1\\Bases\\Торговля', 'disk');
    world.mount('PC-2', 'D:\\Bases\\Торговля', 'elsewhere');
    await enter(trade, 'Анна', { computer: 'PC-1' });
    const boris = await enter(trade, 'Борис', {
      computer: 'PC-2',
      connection: 'File="\\\\PC-1\\Bases\\Торговля\\";',
      isAdmin: true,
    });
    expect(texts(boris)).toEqual([]);
    expect(await held()).toEqual(['Анна', 'Борис']);
    // and by both ways from one computer
    world.mount('PC-1', '\\\\PC-1\\Bases\\Торговля', 'disk');
    const vera = await enter(trade, 'Вера', {
      computer: 'PC-1',
      connection: 'File="\\\\PC-1\\Bases\\Торговля";',
      isAdmin: true,
    });
    expect(texts(vera)).toEqual([]);
    expect(await held()).toEqual(['Анна', 'Борис', 'Вера']);
  });

  it('a folder that was copied is a copy, and so is a base that was copied without its mark', async () => {
    const trade = file();
    await enter(trade, 'Анна', { computer: 'PC-1' });
    const other = 'D:\\Bases\\Торговля-копия';
    world.mount('PC-1', other, 'disk-copy');
    world.copyVolume('disk', 'disk-copy');
    const copy = trade.copy(`File="${other}";`);
    const admin = await enter(copy, 'Админ', { computer: 'PC-1', isAdmin: true });
    expect(texts(admin).join()).toContain('База похожа на копию');
    expect(await held()).toEqual(['Анна']);
    await admin.answer('Это копия');
    expect(await held()).toEqual(['Админ', 'Анна']);

    world.mount('PC-3', 'C:\\Base', 'another');
    const bare = trade.copy('File="C:\\Base";');
    expect(texts(await enter(bare, 'Админ', { computer: 'PC-3', isAdmin: true })).join()).toContain(
      'База похожа на копию',
    );
  });

  it('a mark that can be seen and not read, or not written, is none', async () => {
    const trade = file();
    await enter(trade, 'Анна', { computer: 'PC-1' });
    world.mount('PC-2', 'X:\\Base', 'disk');
    world.unreadable.add('disk');
    const boris = await enter(trade, 'Борис', { computer: 'PC-2', connection: 'File="X:\\Base";', isAdmin: true });
    expect(texts(boris).join()).toContain('База похожа на копию');
    expect(trade.journal.join()).toContain('Доступ запрещен');
  });

  it('a mark that cannot be written anew proves nothing', async () => {
    const trade = file();
    await enter(trade, 'Анна', { computer: 'PC-1' });
    world.mount('PC-2', 'X:\\Base', 'disk');
    world.readOnly.add('disk');
    const boris = await enter(trade, 'Борис', { computer: 'PC-2', connection: 'File="X:\\Base";', isAdmin: true });
    expect(texts(boris).join()).toContain('База похожа на копию');
  });

  it('works from a folder that it may not write to', async () => {
    const trade = base({ connection: 'File="Z:\\Readonly";' });
    const anna = await enter(trade, 'Анна', { computer: 'PC-1' });
    expect([texts(anna), await held()]).toEqual([[], ['Анна']]);
    expect(trade.journal.join()).toContain('Путь не найден');
  });
});

describe('with the standard library in the configuration', () => {
  it('the job begins as its rules say, and the token goes into the safe', async () => {
    const trade = base({ hasLibrary: true }, { ЛицензииТокен: tokenOf.client });
    await enter(trade, 'Анна');
    await trade.runJob();
    expect(trade.jobStarts).toHaveLength(1);
    expect(constant(trade, 'ЛицензииТокен')).toBe('');
    expect([...trade.vault.values()]).toEqual([tokenOf.client]);
    expect(await held()).toEqual(['Анна']);
  });
});

describe('objects that are written', () => {
  const objectOf = (isLoading: boolean) => {
    const exchange = new Structure('Загрузка', isLoading);
    return new Structure('ОбменДанными', exchange);
  };
  it.each([
    ['ПередЗаписьюДокумента', [false, undefined, undefined]],
    ['ПередЗаписьюСправочника', [false]],
  ])('%s refuses who has no seat, and lets exchanges through', async (handler, more) => {
    await server.setLicences([{ seatLimit: 0 }]);
    const trade = base({ modules: vendor('Настройки.ПросмотрБезМеста = Истина;') });
    const viewer = await enter(trade, 'Анна');
    await expect(viewer.server('ЛицензииСлужебный', handler, objectOf(false), ...more)).rejects.toThrow(
      'только просмотр',
    );
    await viewer.server('ЛицензииСлужебный', handler, objectOf(true), ...more);
  });
});

afterAll(() => {
  // what no scenario runs is not proven; an empty procedure of the overridable module has nothing to run
  const missed: string[] = [];
  const of = (name: string, lines: readonly number[]) => {
    for (const line of lines) if (!ran.get(name)?.has(line)) missed.push(`${name}, line ${line}`);
  };
  for (const side of ['server', 'thin'] as const) {
    const program = programOf(side);
    for (const { name } of commonModules) {
      const module = program.local.get(name.toLowerCase());
      if (module && name !== 'ЛицензииПереопределяемый') of(name, linesOf(module));
    }
    if (side === 'thin') of('МодульПриложения', linesOf(program.application));
    else of('МодульСеанса', linesOf(program.session));
  }
  expect(missed).toEqual([]);
});
