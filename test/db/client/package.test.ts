import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildClientPackage } from '../../../clientPackage.ts';
import { repository } from '../../support/sources.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from '../server/support/ledgerDatabase.ts';
import { type SeatServer, startSeatServer } from '../server/support/seatServer.ts';

/** Somebody's program that has installed the package and nothing else. */
let app: string;
let database: TestDatabase;
let server: SeatServer;
let url: string;

interface Ended {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}
const inApp = (file: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
  new Promise((resolve) => {
    const { PATH = '', HOME = '/' } = process.env;
    execFile(file, args, { cwd: app, env: { PATH, HOME, ...env } }, (error, out, err) =>
      resolve({ status: error === null ? 0 : Number(error.code), out, err }),
    );
  });

beforeAll(async () => {
  app = mkdtempSync(join(tmpdir(), 'client-package-'));
  await buildClientPackage(join(app, 'built'));
  const npm = (...args: readonly string[]) => inApp('npm', [...args, '--silent', '--no-audit', '--no-fund']);
  const packed = await npm('pack', './built');
  expect(packed, packed.err).toMatchObject({ status: 0 });
  writeFileSync(join(app, 'package.json'), '{"name":"app","type":"module","private":true}');
  const installed = await npm('install', '--offline', `./${packed.out.trim()}`); // what needs a registry would fail
  expect(installed, installed.err).toMatchObject({ status: 0 });
  database = await createTestDatabase(ledgerTemplate);
  server = await startSeatServer(database.url, { licences: [{ seatLimit: 1 }] });
  url = await server.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.stop();
  await database.drop();
  rmSync(app, { recursive: true, force: true });
});

it('has the client, its types, the command, a page and the licence, and brings nothing along', () => {
  const modules = join(app, 'node_modules');
  expect(readdirSync(modules).filter((n) => !n.startsWith('.'))).toEqual(['softonit-licence']);
  const own = join(modules, 'softonit-licence');
  expect(readdirSync(own).sort()).toEqual([
    'LICENSE',
    'README.md',
    'client.d.ts',
    'client.js',
    'licence.js',
    'package.json',
  ]);
  const manifest = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8'));
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  expect(manifest).toMatchObject({ name: 'softonit-licence', version });
  expect(manifest).not.toHaveProperty('dependencies');
  expect(manifest).not.toHaveProperty('private');
  expect(readFileSync(join(own, 'client.js'), 'utf8')).not.toMatch(/\bimport\b|require\(/);
  expect(readFileSync(join(own, 'README.md'), 'utf8')).not.toMatch(/\]\((?!https?:|#)/);
});

it('holds a seat in a program that imports it', async () => {
  const program = `
    import { LicenceClient, LicenceRefused } from 'softonit-licence/client';
    const client = new LicenceClient({ url: process.argv[2] });
    const holder = { base: 'trade', user: 'anna', host: 'pc' };
    const seat = await client.hold({ product: 'erp', holder });
    try {
      await client.checkOut({ product: 'erp', holder: { ...holder, user: 'boris' } });
    } catch (error) {
      console.log(error instanceof LicenceRefused, error.reason);
    }
    await seat.release();
    console.log(seat.grant.seats.limit);`;
  writeFileSync(join(app, 'main.js'), program);
  expect(await inApp(process.execPath, ['main.js', url])).toEqual({
    status: 0,
    out: 'true SeatsExhausted\n1\n',
    err: '',
  });
});

it('has types that a strict program compiles against, and that refuse a wrong call', async () => {
  const source = (wait: string) => `import { type Grant, LicenceClient } from 'softonit-licence/client';
    const client: LicenceClient = new LicenceClient({ url: 'http://localhost' });
    const grant: Promise<Grant> = client.checkOut({ product: 'p', holder: { base: 'b', user: 'u', host: 'h' } }, ${wait});
    void grant;`;
  mkdirSync(join(app, 'types'));
  writeFileSync(join(app, 'types', 'good.ts'), source('60'));
  writeFileSync(join(app, 'types', 'bad.ts'), source("'a minute'"));
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2024', '--types', ''];
  const tsc = (file: string) =>
    inApp(process.execPath, [join(repository, 'node_modules/typescript/bin/tsc'), ...options, join('types', file)]);
  expect(await tsc('good.ts')).toEqual({ status: 0, out: '', err: '' });
  expect((await tsc('bad.ts')).out).toContain("'string' is not assignable to parameter of type 'number'");
});

it('has the command licence', async () => {
  const licence = (args: readonly string[], env: Record<string, string> = {}) =>
    inApp(join(app, 'node_modules', '.bin', 'licence'), args, { LICENCE_SERVER_URL: url, ...env });
  expect(await licence(['run', '--product', 'erp', '--', 'echo', 'held'])).toEqual({
    status: 0,
    out: 'held\n',
    err: '',
  });
  // options of the command are its own, without -- too
  expect(await licence(['run', '--product', 'erp', 'sh', '-c', 'exit 3'])).toEqual({ status: 3, out: '', err: '' });
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  expect((await licence(['--version'])).out).toBe(`${version}\n`);
  for (const [args, said] of [
    [['run', '--', 'echo'], /required option '--product <product>'/],
    [['run', '--product', 'erp', '--server', 'head-office', '--', 'echo'], /must be an address, for example http:/],
    [
      ['run', '--product', 'erp', '--token-file', '/nowhere', '--', 'echo'],
      /'\/nowhere' is invalid.*cannot be read \(ENOENT\)/,
    ],
    [['run', '--product', 'erp', '--wait', 'long', '--', 'echo'], /must be a whole number of seconds/],
    [['rnu'], /unknown command 'rnu'/],
  ] as const) {
    const ended = await licence(args);
    expect(ended.err).toMatch(said);
    expect(ended).toMatchObject({ status: 64, out: '' });
  }
});
