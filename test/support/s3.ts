import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, run, startDaemon, until } from '../../cluster/process.ts';
import { createScratch } from '../../cluster/scratch.ts';
import { ensureTools } from '../../cluster/tools.ts';

/** Built at the first import, which no test's time limit is counted for. */
const { versitygw } = await ensureTools(['versitygw'], 'to put backups into a bucket');

/** An account of the S3 server. */
export interface Account {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A real S3 server on loopback (versitygw, whose buckets are folders), with one account that may do everything. */
export interface S3 extends AsyncDisposable {
  readonly endpoint: string;
  readonly region: string;
  readonly root: Account;
  /** Whose certificate it has; undefined: none. */
  readonly ca: string | undefined;
  /** Where the buckets lie. */
  readonly folder: string;
  /** Makes a bucket, and answers its folder. */
  bucket(name: string): string;
  /** An account that has no rights in buckets of others. */
  stranger(): Promise<Account>;
  /** A directory with an account's files, as a mounted Secret is. */
  credentials(account?: Account): string;
}

/** @param tls whether it has a certificate that it has signed itself */
export async function startS3({ tls = false } = {}): Promise<S3> {
  const dir = createScratch('s3');
  for (const name of ['buckets', 'accounts', 'sidecar']) mkdirSync(join(dir, name));
  const region = 'eu-test-1';
  const root = { accessKeyId: 'root-of-the-test', secretAccessKey: 'a secret of the test / with a slash+' };
  const certificate: string[] = [];
  if (tls) {
    const [cert, key] = [join(dir, 'tls.crt'), join(dir, 'tls.key')];
    const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    await run('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-days',
      '2',
      ...names,
    ]);
    certificate.push('--cert', cert, '--key', key);
  }
  const address = `127.0.0.1:${await freePort()}`;
  const endpoint = `${tls ? 'https' : 'http'}://${address}`;
  const options = [
    '--port',
    address,
    '--region',
    region,
    '--iam-dir',
    join(dir, 'accounts'),
    '--quiet',
    ...certificate,
  ];
  const daemon = await startDaemon(
    'versitygw',
    versitygw,
    [...options, 'posix', '--sidecar', join(dir, 'sidecar'), join(dir, 'buckets')],
    {
      logFile: join(dir, 'versitygw.log'),
      env: { ROOT_ACCESS_KEY_ID: root.accessKeyId, ROOT_SECRET_ACCESS_KEY: root.secretAccessKey },
    },
  );
  const listens = async () => {
    // Whatever it answers, or that its certificate is not believed.
    const silent = await fetch(endpoint).then(
      () => false,
      (error) => /ECONNREFUSED/.test(String(error.cause?.code)),
    );
    return !silent;
  };
  await until('the S3 server to listen', 30_000, listens, [daemon]);
  let accounts = 0;
  return {
    endpoint,
    region,
    root,
    folder: join(dir, 'buckets'),
    ca: tls ? readFileSync(join(dir, 'tls.crt'), 'utf8') : undefined,
    bucket: (name) => {
      mkdirSync(join(dir, 'buckets', name));
      return join(dir, 'buckets', name);
    },
    stranger: async () => {
      accounts += 1;
      const account = { accessKeyId: `stranger-${accounts}`, secretAccessKey: `secret-of-${accounts}` };
      const who = ['-a', root.accessKeyId, '-s', root.secretAccessKey, '-er', endpoint];
      const made = ['-a', account.accessKeyId, '-s', account.secretAccessKey, '-r', 'user'];
      await run(versitygw, ['admin', ...who, 'create-user', ...made], { env: { ADMIN_REGION: region } });
      return account;
    },
    credentials: (account = root) => {
      const folder = join(dir, `credentials-${accounts++}`);
      mkdirSync(folder);
      writeFileSync(join(folder, 'accessKeyId'), account.accessKeyId);
      writeFileSync(join(folder, 'secretAccessKey'), `${account.secretAccessKey}\n`);
      return folder;
    },
    [Symbol.asyncDispose]: async () => {
      await daemon.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
