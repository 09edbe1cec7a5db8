import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../../../cluster/process.ts';
import { readConfig } from '../../../../runtime/config.ts';
import { backupSettings } from '../../../../server/backup/backupSettings.ts';
import type { Destination } from '../../../../server/backup/destination.ts';
import { openDestination } from '../../../../server/backup/openDestination.ts';
import { type S3, startS3 } from '../../../support/s3.ts';

let s3: S3;
let dir: string;
let folder: string;
beforeAll(async () => {
  s3 = await startS3();
  dir = mkdtempSync(join(tmpdir(), 'destinations-'));
  folder = join(dir, 'backups');
  mkdirSync(folder);
  s3.bucket('licences');
});
afterAll(async () => {
  await s3[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const never = new AbortController().signal;
const computer = 'aaaaaaaaaaaaaaaa';
const bucketEnv = (more: Record<string, string> = {}) => ({
  LICENCE_BACKUP_S3_ENDPOINT: s3.endpoint,
  LICENCE_BACKUP_S3_REGION: s3.region,
  LICENCE_BACKUP_S3_BUCKET: 'licences',
  LICENCE_BACKUP_S3_PREFIX: 'accounting/head-office/',
  LICENCE_BACKUP_S3_CREDENTIALS: s3.credentials(),
  ...more,
});
const open = (env: Record<string, string>, signal = never) => openDestination(readConfig(backupSettings, env), signal);
async function* chunks(...content: readonly Uint8Array[]) {
  yield* content;
}
async function read(destination: Destination, name: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of await destination.get(name)) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
/** Every name below a bucket's folder or a folder, drafts included. */
const everything = (path: string) => (readdirSync(path, { recursive: true }) as string[]).sort();

describe.each([
  ['a folder', () => ({ LICENCE_BACKUP_DIR: folder })],
  ['a bucket', () => bucketEnv()],
])('%s', (_, env) => {
  it('gives back what was put there, lists it, and lets it go', async () => {
    const destination = await open(env());
    const content = randomBytes(100_000);
    expect(await destination.put('a.tar.gz', chunks(content.subarray(0, 10), content.subarray(10)))).toBe(100_000);
    expect(await destination.list()).toEqual([{ name: 'a.tar.gz', bytes: 100_000 }]);
    expect(await read(destination, 'a.tar.gz')).toEqual(content);
    await destination.put('a.tar.gz', chunks(Buffer.from('replaced')));
    expect(String(await read(destination, 'a.tar.gz'))).toBe('replaced');
    await destination.remove('a.tar.gz');
    await destination.remove('a.tar.gz');
    expect(await destination.list()).toEqual([]);
    await expect(destination.get('a.tar.gz')).rejects.toThrow(/not there|no such archive/);
    await destination.close();
  });

  it('takes what is larger than a part, in parts', async () => {
    const destination = await open(env());
    const part = randomBytes(3 << 20);
    const content = [part, part, part, part, part, part, part]; // 21 MiB: three parts
    expect(await destination.put('large.tar.gz', chunks(...content))).toBe(21 << 20);
    expect((await read(destination, 'large.tar.gz')).equals(Buffer.concat(content))).toBe(true);
    await destination.remove('large.tar.gz');
    await destination.close();
  });

  it('has nothing of what ended half-way, neither by a fault of the source nor by the end of the program', async () => {
    const end = new AbortController();
    const destination = await open(env(), end.signal);
    const part = randomBytes(9 << 20);
    async function* failing() {
      yield part;
      yield part;
      throw new Error('the database is gone');
    }
    await expect(destination.put(`licence-server-${computer}-x`, failing())).rejects.toThrow('the database is gone');
    async function* ending() {
      yield part;
      yield part;
      end.abort(new Error('the server is stopping'));
      yield part;
    }
    await expect(destination.put(`licence-server-${computer}-y`, ending())).rejects.toThrow('the server is stopping');
    const again = await open(env());
    expect(await again.list()).toEqual([]);
    const root = 'LICENCE_BACKUP_DIR' in env() ? folder : join(s3.folder, 'licences');
    expect(everything(root).filter((name) => name.includes(computer))).toEqual([]);
  });

  it('is rid of what a killed program left of its own, and of nothing else', async () => {
    const destination = await open(env());
    const isFolder = 'LICENCE_BACKUP_DIR' in env();
    const part = randomBytes(9 << 20);
    let stuck: () => void = () => {};
    const killed = (name: string) => {
      // It waits for ever, as one whose program is no more.
      async function* source() {
        yield part;
        yield part;
        await new Promise<void>((resolve) => {
          stuck = resolve;
        });
      }
      return destination.put(name, source()).catch(() => {});
    };
    const root = isFolder ? folder : join(s3.folder, 'licences');
    const halves = () => everything(root).filter((name) => /\.part$|\/[0-9a-f-]{36}$/.test(name)).length;
    void killed(`licence-server-${computer}-20300101T000000Z.tar.gz`);
    await expect.poll(halves, { timeout: 20_000 }).toBeGreaterThan(0);
    await destination.sweep('bbbbbbbbbbbbbbbb');
    expect(halves()).toBeGreaterThan(0);
    // a part that is on its way meanwhile may arrive after the end of its upload, which S3 allows; a killed program sends none
    const left = async () => {
      await destination.sweep(computer);
      return halves();
    };
    await expect.poll(left, { timeout: 20_000 }).toBe(0);
    stuck();
  });
});

describe('a bucket that cannot be used is told in one sentence', () => {
  const fault = async (more: Record<string, string>) => {
    try {
      const destination = await open(bucketEnv(more));
      await destination.list();
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  };
  it('that is not there', async () => {
    expect(await fault({ LICENCE_BACKUP_S3_BUCKET: 'elsewhere' })).toBe(
      `bucket elsewhere at ${s3.endpoint} refuses (NoSuchBucket): there is no such bucket; make it, or name another`,
    );
  });
  it('with a wrong key, and without any', async () => {
    const wrong = s3.credentials({ ...s3.root, secretAccessKey: 'wrong' });
    expect(await fault({ LICENCE_BACKUP_S3_CREDENTIALS: wrong })).toMatch(
      /refuses \(SignatureDoesNotMatch\): put the right accessKeyId and secretAccessKey into the Secret/,
    );
    const empty = mkdtempSync(join(dir, 'empty-'));
    expect(await fault({ LICENCE_BACKUP_S3_CREDENTIALS: empty })).toBe(
      `the credentials of the bucket have no accessKeyId (${empty}); put it there`,
    );
  });
  it('whose account may not', async () => {
    const stranger = s3.credentials(await s3.stranger());
    expect(await fault({ LICENCE_BACKUP_S3_CREDENTIALS: stranger })).toMatch(
      /refuses \(AccessDenied\): the account needs the rights to list, read, write and delete there/,
    );
  });
  it('where nobody listens', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    expect(await fault({ LICENCE_BACKUP_S3_ENDPOINT: nobody })).toBe(
      `bucket licences at ${nobody} does not answer (ECONNREFUSED)`,
    );
  });
  it('whose certificate is not believed, until its authority is given; and a file that is none', async () => {
    const secure = await startS3({ tls: true });
    secure.bucket('licences');
    const more = { LICENCE_BACKUP_S3_ENDPOINT: secure.endpoint, LICENCE_BACKUP_S3_CREDENTIALS: secure.credentials() };
    try {
      expect(await fault(more)).toMatch(/its certificate is not believed: give the certificate of its authority/);
      const ca = join(dir, 'ca.crt');
      writeFileSync(ca, 'no certificate');
      expect(await fault({ ...more, LICENCE_BACKUP_S3_CA: ca })).toBe(
        `${ca} holds no certificates as PEM; give those of the bucket's service`,
      );
      writeFileSync(ca, secure.ca ?? '');
      expect(await fault({ ...more, LICENCE_BACKUP_S3_CA: ca })).toBeUndefined();
    } finally {
      await secure[Symbol.asyncDispose]();
    }
  });
});

describe('a folder that cannot be used is told in one sentence', () => {
  it('that is not there', async () => {
    const missing = join(dir, 'missing');
    const destination = await open({ LICENCE_BACKUP_DIR: missing });
    const message = `the folder ${missing} cannot be used: it is not there; make the folder, or mount the volume (ENOENT)`;
    await expect(destination.list()).rejects.toThrow(message);
    await expect(destination.put('a', chunks(Buffer.from('a')))).rejects.toThrow(message);
  });
  it('of files that only their owner and the group of the volume can read', async () => {
    const own = mkdtempSync(join(dir, 'own-'));
    chmodSync(own, 0o770);
    await (await open({ LICENCE_BACKUP_DIR: own })).put('a', chunks(Buffer.from('a')));
    expect(statSync(join(own, 'a')).mode & 0o777).toBe(0o640);
    expect(readFileSync(join(own, 'a'), 'utf8')).toBe('a');
  });
});
