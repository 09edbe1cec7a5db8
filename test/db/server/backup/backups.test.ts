import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type S3, startS3 } from '../../../support/s3.ts';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from '../support/ledgerDatabase.ts';
import { type Computer, createComputer, runServer, ServerProcess, until } from '../support/serverProcess.ts';

let s3: S3;
let dir: string;
let computer: Computer;
let database: TestDatabase;
let running: ServerProcess[] = [];
let buckets = 0;
beforeAll(async () => {
  s3 = await startS3();
  dir = mkdtempSync(join(tmpdir(), 'backups-'));
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  computer = await createComputer(5);
  database = await createTestDatabase(ledgerTemplate);
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop('SIGKILL')));
  await database.drop();
  computer.remove();
});

/** A bucket of the test's own, its folder, and the settings that name it. */
function ownBucket() {
  buckets += 1;
  const name = `bucket-${buckets}`;
  const folder = s3.bucket(name);
  const env: Record<string, string> = {
    LICENCE_BACKUP_S3_ENDPOINT: s3.endpoint,
    LICENCE_BACKUP_S3_REGION: s3.region,
    LICENCE_BACKUP_S3_BUCKET: name,
    LICENCE_BACKUP_S3_CREDENTIALS: s3.credentials(),
  };
  return { env, archives: () => readdirSync(folder).filter((file) => file.includes('.tar.gz')) };
}
const nightly = { LICENCE_BACKUP_SCHEDULE: '0 3 * * *' };
async function start(env: Record<string, string>, url = database.url) {
  const server = await ServerProcess.start({ ...computer.env, DATABASE_URL: url, ...env });
  running.push(server);
  return server;
}
const stop = async (server: ServerProcess) => {
  running = running.filter((other) => other !== server);
  return server.stop();
};
const backupOf = async (server: ServerProcess) => (await server.call('GET', '/v1/status')).body.backup;
const madeBy = (server: ServerProcess) =>
  until('a backup', async () => {
    const backup = await backupOf(server);
    return backup.lastSuccessAt !== undefined && backup;
  });
const faultOf = (server: ServerProcess) => until('a fault', async () => (await backupOf(server)).fault as string);
/** An empty data directory. */
const emptyDir = () => mkdtempSync(join(dir, 'elsewhere '));

describe('a server with a schedule', () => {
  it('makes its first backup at once, tells of it, and is restored elsewhere as the same computer, with its seats and tokens', async () => {
    const bucket = ownBucket();
    const identity = await generateX25519Identity();
    const identityFile = join(dir, 'age.txt');
    writeFileSync(identityFile, `# made by a test\n${identity}\n`);
    mkdirSync(join(computer.dataDir, 'tokens'));
    writeFileSync(join(computer.dataDir, 'tokens', 'client'), 'a-client-token-of-a-test\n');
    const encrypted = { ...bucket.env, LICENCE_BACKUP_RECIPIENTS: await identityToRecipient(identity) };
    const first = await start({});
    const { leaseId } = (await first.checkOut('anna')).body;
    const { fingerprint } = (await first.call('GET', '/v1/status')).body;
    expect((await first.call('GET', '/v1/status')).body.backup).toBeUndefined();
    await stop(first);

    const server = await start({ ...encrypted, ...nightly });
    const backup = await madeBy(server);
    expect(bucket.archives()).toEqual([backup.archive]);
    expect(backup).toMatchObject({ archive: expect.stringMatching(/\.tar\.gz\.age$/), sizeBytes: expect.any(Number) });
    expect(Date.parse(backup.nextAt)).toBeGreaterThan(Date.now());
    expect(backup.nextAt).toMatch(/T03:00:[0-4]\dZ$/);
    const { body: metrics } = await server.call('GET', '/metrics');
    expect(metrics).toContain(
      `licence_backup_last_success_timestamp_seconds ${Date.parse(backup.lastSuccessAt) / 1_000}`,
    );
    expect(metrics).toContain(`licence_backup_size_bytes ${backup.sizeBytes}`);
    expect(metrics).toContain('licence_backup_failures_total 0');

    const dataDir = emptyDir();
    await using target = await createTestDatabase();
    const there = { ...encrypted, ...computer.env, LICENCE_DATA_DIR: dataDir, DATABASE_URL: target.url };
    // It lives, and says so beside the archive.
    expect(await runServer(there, 'restore')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/said at .* that it lives, and two servers of one computer must not run: stop it/),
    });
    await stop(server);
    expect(await runServer(there, 'restore', '--old-server-is-gone')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is encrypted; give the age identity that opens it'),
    });
    expect(readdirSync(dataDir)).toEqual([]);
    const opened = { ...there, LICENCE_BACKUP_AGE_IDENTITY: identityFile };
    const done = await runServer(opened, 'restore', '--old-server-is-gone');
    expect(done).toMatchObject({
      status: 0,
      stderr: expect.stringContaining(`${backup.archive} is restored: the computer ${fingerprint}`),
    });
    const again = await start({ ...computer.env, LICENCE_DATA_DIR: dataDir }, target.url);
    const { body: status } = await again.call('GET', '/v1/status');
    expect([status.fingerprint, status.keys[0].state, status.products[0].seatsInUse]).toEqual([
      fingerprint,
      'Active',
      1,
    ]);
    expect((await again.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
    expect(readFileSync(join(dataDir, 'tokens', 'client'), 'utf8')).toBe('a-client-token-of-a-test\n');

    // What was restored is newer by now: it is not restored over.
    await again.checkOut('boris');
    await stop(again);
    expect(await runServer(opened, 'restore', '--old-server-is-gone')).toMatchObject({ status: 0 });
    const last = await start({ ...computer.env, LICENCE_DATA_DIR: dataDir }, target.url);
    expect((await last.call('GET', '/v1/status')).body.products[0].seatsInUse).toBe(2);
    await stop(last);
  }, 120_000);

  it('makes none again after a restart, and of two servers of one ledger only one makes it', async () => {
    const bucket = ownBucket();
    const servers = await Promise.all([start({ ...bucket.env, ...nightly }), start({ ...bucket.env, ...nightly })]);
    const made = await Promise.race(servers.map(madeBy));
    for (const server of servers) await stop(server);
    const again = await start({ ...bucket.env, ...nightly });
    expect(await madeBy(again)).toEqual(made);
    expect(bucket.archives()).toEqual([made.archive]);
  }, 120_000);

  it('keeps as many as were asked for, and nothing of others is touched', async () => {
    const bucket = ownBucket();
    const env: Record<string, string> = { ...computer.env, DATABASE_URL: database.url, ...bucket.env };
    const names: string[] = [];
    for (let made = 0; made < 3; made++) {
      expect(await runServer(env, 'backup')).toMatchObject({ status: 0 });
      names.push(bucket.archives().find((name) => !names.includes(name)) ?? '');
      const second = Math.floor(Date.now() / 1_000);
      await until('another second, as names have whole ones', async () => Math.floor(Date.now() / 1_000) > second);
    }
    const stranger = 'licence-server-bbbbbbbbbbbbbbbb-20200101T000000Z.tar.gz';
    writeFileSync(join(s3.folder, env.LICENCE_BACKUP_S3_BUCKET ?? '', stranger), 'of another computer');
    const kept = await runServer({ ...env, LICENCE_BACKUP_KEEP: '2' }, 'backup');
    expect(kept).toMatchObject({ status: 0, stderr: expect.stringContaining(`${names[0]} was removed`) });
    expect(bucket.archives()).toHaveLength(3);
    expect(bucket.archives()).toEqual(expect.arrayContaining([names[2], stranger]));
    const listed = await runServer(env, 'backups');
    expect(
      String(listed.stdout)
        .split('\n')
        .filter((line) => line !== ''),
    ).toHaveLength(3);
  }, 120_000);

  it('goes on serving when the bucket refuses, says so in one sentence, and comes right by itself', async () => {
    const bucket = ownBucket();
    const wrong = { ...bucket.env, LICENCE_BACKUP_S3_BUCKET: 'not-yet-there' };
    const server = await start({ ...wrong, ...nightly });
    expect(await faultOf(server)).toBe(
      `bucket not-yet-there at ${s3.endpoint} refuses (NoSuchBucket): there is no such bucket; make it, or name another`,
    );
    expect((await server.checkOut('anna')).status).toBe(201);
    expect((await server.call('GET', '/healthz/ready')).status).toBe(200);
    const { body: metrics } = await server.call('GET', '/metrics');
    expect(metrics).toMatch(/licence_backup_failures_total [1-9]/);
    expect(metrics).toContain('licence_backup_last_success_timestamp_seconds 0');
    expect(Number(/licence_backup_due_timestamp_seconds (\d+)/.exec(metrics)?.[1])).toBeLessThanOrEqual(
      Date.now() / 1_000,
    );
    s3.bucket('not-yet-there');
    await until('a backup, at the next attempt', async () => (await backupOf(server)).lastSuccessAt, 150_000);
    expect((await backupOf(server)).fault).toBeUndefined();
  }, 240_000);

  it.runIf(process.platform === 'linux')(
    'packs in a thread to which everything else comes first, serves meanwhile, and ends at once when it is told to',
    async () => {
      const asked: string[] = [];
      // It takes signs of life, and never an archive.
      const silent = createServer((request, response) => {
        asked.push(`${request.method} ${request.url}`);
        request.resume();
        if (request.method === 'PUT' && request.url?.includes('.tar.gz')) return;
        response.setHeader('content-type', 'application/xml');
        const name = request.url?.includes('uploads') ? 'ListMultipartUploadsResult' : 'ListBucketResult';
        response.end(request.method === 'GET' ? `<${name}><IsTruncated>false</IsTruncated></${name}>` : '');
      }).listen(0, '127.0.0.1');
      try {
        await until('the bucket to listen', async () => silent.listening);
        const { port } = silent.address() as AddressInfo;
        const endpoint = `http://127.0.0.1:${port}`;
        const server = await start({ ...ownBucket().env, ...nightly, LICENCE_BACKUP_S3_ENDPOINT: endpoint });
        await until('an archive on its way', async () => asked.some((one) => /^PUT .*\.tar\.gz/.test(one)));
        const tasks = `/proc/${server.child.pid}/task`;
        const niceness = (task: string) => {
          const stat = readFileSync(join(tasks, task, 'stat'), 'utf8');
          return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
        };
        const own = niceness(String(server.child.pid));
        const lower = readdirSync(tasks)
          .map(niceness)
          .filter((nice) => nice > own);
        expect(lower).toEqual(own < 10 ? [10] : []);
        expect((await server.checkOut('anna')).status).toBe(201);
        expect(await stop(server)).toBe(0);
      } finally {
        silent.closeAllConnections();
        silent.close();
      }
    },
    120_000,
  );

  it('does not start with a schedule that is none, or without a place', async () => {
    const env = { ...computer.env, DATABASE_URL: database.url };
    expect(await runServer({ ...env, LICENCE_BACKUP_SCHEDULE: '99 3 * * *' })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('LICENCE_BACKUP_SCHEDULE minute "99": 99 is not between 0 and 59'),
    });
    expect(await runServer({ ...env, ...nightly })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('LICENCE_BACKUP_SCHEDULE needs a place'),
    });
    expect(
      await runServer({ ...env, ...nightly, LICENCE_BACKUP_DIR: dir, LICENCE_BACKUP_TIME_ZONE: 'europe/moscow' }),
    ).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('timeZone europe/moscow begins with a capital letter'),
    });
  });
});
