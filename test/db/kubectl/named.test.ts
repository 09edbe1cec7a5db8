import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { exitStatus } from '../../../cli/kubectl/exitStatus.ts';
import { startForwardingApi } from '../../support/forwardingApi.ts';
import { licenceCommand } from '../../support/licenceCommand.ts';
import type { SeatServer } from '../server/support/seatServer.ts';
import { useSeatServers } from '../server/support/seatServers.ts';

// `kubectl licence assignments`, `assign` and `adopt` as a person types them, with a real server and its database behind a port-forward.

const servers = useSeatServers();
let server: SeatServer;
let dir: string;
let api: Awaited<ReturnType<typeof startForwardingApi>>;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'kubectl-named-'));
  server = await servers.start({
    licences: [
      { seatLimit: 2, countBy: 'user', reassignAfterDays: 30 },
      { product: 'open', licenceId: 'l-open' },
    ],
  });
  const url = await server.app.listen({ host: '127.0.0.1', port: 0 });
  api = await startForwardingApi(Number(new URL(url).port), dir);
});
afterEach(() => {
  api.stop();
  rmSync(dir, { recursive: true, force: true });
});

const licence = (args: readonly string[], input?: string) =>
  licenceCommand(api.kubeconfig, args, input === undefined ? {} : { input });
const assign = (...args: string[]) => licence(['assign', 'office', ...args, '--product', 'erp']);
const users = async () => (await licence(['assignments', '-o', 'name'])).out.trim().split('\n');
const daysPass = (days: number) =>
  server.store.db.query(`UPDATE assignment SET assigned_at = assigned_at - $1 * interval '1 day'`, [days]);

it('assigns seats, and lists whose they are, since when and from when they may move', async () => {
  expect(await licence(['assignments', 'office'])).toEqual({
    status: exitStatus.ok,
    out: 'No seat of erp is assigned yet: kubectl licence assign\n',
    err: '',
  });
  expect(await assign('Anna', 'boris')).toEqual({
    status: exitStatus.ok,
    out: '2 assigned, 0 taken away, 0 seats in use ended\n',
    err: '',
  });
  await server.checkOut('anna');
  const { out } = await licence(['assignments', '--product', 'erp']);
  const [head, anna, boris] = out.split('\n');
  expect(head).toMatch(/^PRODUCT +USER +ASSIGNED +USED +IN USE +MAY MOVE$/);
  expect(anna).toMatch(/^erp +Anna +\d+s +\d+s +yes +from \d{4}-\d\d-\d\d$/);
  expect(boris).toMatch(/^erp +boris +\d+s +never +- +from \d{4}-\d\d-\d\d$/);
  expect(JSON.parse((await licence(['assignments', '-o', 'json'])).out)).toMatchObject([
    { product: 'erp', seatLimit: 2, assignments: [{ user: 'Anna', inUse: true }, { user: 'boris' }] },
  ]);
});

it('moves a seat when its days are over, after a yes, and ends what was used by it', async () => {
  await assign('anna', 'boris');
  await server.checkOut('anna');
  expect(await assign('vera', '--remove', 'anna', '--yes')).toMatchObject({
    status: exitStatus.failed,
    out: '',
    err: expect.stringMatching(
      /^kubectl licence: the licence server refuses: a seat of erp is a person's for 30 days at least: that of anna may be reassigned from \d{4}.* nothing was changed \(ReassignedTooEarly\)\n→ .*from when each seat may move\n$/,
    ),
  });
  await daysPass(30);
  expect(await assign('vera', '--remove', 'anna')).toMatchObject({
    status: exitStatus.declined,
    err: expect.stringMatching(/Take the seats of erp from anna\? What they use now ends\.\n→ .*--yes/),
  });
  expect(await users()).toEqual(['anna', 'boris']);
  expect((await assign('vera', '--remove', 'anna', '--reason', 'has left', '--yes')).out).toBe(
    '1 assigned, 1 taken away, 1 seat in use ended\n',
  );
  expect(await users()).toEqual(['boris', 'vera']);
  const { acts } = (await server.call('GET', '/v1/audit')).body;
  expect(acts[0]).toMatchObject({ action: 'POST /v1/assignments:change', reason: 'has left' });
});

it('refuses more persons than seats, and changes nothing', async () => {
  await assign('anna', 'boris');
  expect(await assign('vera')).toMatchObject({
    status: exitStatus.failed,
    out: '',
    err: expect.stringMatching(
      /^kubectl licence: .*3 persons would have a seat of erp, and the licence has 2.*\(AllSeatsAssigned\)\n→ take somebody's seat away in the same command: --remove USER/,
    ),
  });
  expect(await users()).toEqual(['anna', 'boris']);
});

it('makes a table the whole list, from a file or the standard input, after a yes', async () => {
  const file = join(dir, 'people.csv');
  writeFileSync(file, 'user\nanna\nboris\n');
  expect(await assign('--from-file', file)).toMatchObject({
    status: exitStatus.declined,
    err: expect.stringContaining(`Make ${file} the whole list of users of erp? Who is missing in it loses the seat.`),
  });
  expect((await assign('--from-file', file, '--yes')).out).toMatch(/^2 assigned, 0 taken away/);
  await daysPass(31);
  const typed = await licence(['assign', 'office', '--product', 'erp', '--from-file', '-', '--yes'], 'anna\nvera\n');
  expect(typed.out).toMatch(/^1 assigned, 1 taken away/);
  expect(await users()).toEqual(['anna', 'vera']);
});

it('does not take an empty file for a list of nobody', async () => {
  await assign('anna');
  await daysPass(31);
  const file = join(dir, 'empty.csv');
  writeFileSync(file, 'user\n');
  expect(await assign('--from-file', file, '--yes')).toMatchObject({
    status: exitStatus.failed,
    out: '',
    err: expect.stringMatching(/^kubectl licence: .*empty\.csv has no users\n→ .*--remove/),
  });
  expect(await users()).toEqual(['anna']);
});

it.each<[string, string[], number, RegExp]>([
  ['no users', ['--product', 'erp'], exitStatus.failed, /^kubectl licence: which users\?\n→ name users and --remove/],
  ['users and a file', ['anna', '--product', 'erp', '--from-file', '-'], exitStatus.failed, /which users\?/],
  ['no product', ['anna'], exitStatus.usage, /--product/],
  [
    'an unknown product',
    ['anna', '--product', 'nothing'],
    exitStatus.failed,
    /no active key of nothing is for named users.*\(ProductNotNamed\)\n→ "kubectl licence assignments"/,
  ],
  ['a product of whoever comes first', ['anna', '--product', 'open'], exitStatus.failed, /\(ProductNotNamed\)\n→ /],
  [
    'a file that is not there',
    ['--product', 'erp', '--from-file', '/no/such'],
    exitStatus.failed,
    /\/no\/such cannot be read \(ENOENT\)/,
  ],
])('says what is wrong, and what to do: %s', async (_, args, status, says) => {
  const ended = await licence(['assign', 'office', ...args]);
  expect(ended).toMatchObject({ status, out: '', err: expect.stringMatching(says) });
  expect(ended.err).not.toMatch(/\/v1\//);
});

it('adopt of a base that is unknown, or that nobody else asked for, is answered in words of this command', async () => {
  const adopt = (base: string) => licence(['adopt', 'office', base, '--reason', 'it has moved', '--yes']);
  expect(await adopt('nowhere')).toEqual({
    status: exitStatus.failed,
    out: '',
    err: 'kubectl licence: the licence server refuses: no base of the name nowhere has ever come here; see "kubectl licence seats" (BaseUnknown)\n',
  });
  await server.call('PUT', '/v1/bases/buh/sessions', {
    instance: '018f0000-0000-7000-8000-000000000001',
    sessions: [{ product: 'open', user: 'anna', host: 'pc' }],
  });
  const nobody = await adopt('buh');
  expect(nobody).toMatchObject({
    status: exitStatus.failed,
    err: expect.stringMatching(/\(InstanceUnknown\)\n→ .*--instance/),
  });
});
