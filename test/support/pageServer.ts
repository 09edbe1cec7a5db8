import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAuthority, type TestAuthority } from './authority.ts';
import { buildPage } from './buildPage.ts';
import { eventually } from './product.ts';
import { repository } from './sources.ts';
import { createTestDatabase } from './testDatabase.ts';

/** The licence server as a program, on a database of its own, with a real authority beside it. */
export interface PageServer extends AsyncDisposable {
  readonly url: string;
  readonly databaseUrl: string;
  readonly authority: TestAuthority;
  readonly tokens: { readonly admin: string; readonly client: string };
  /** A call with a token; answers status and body. */
  call(
    role: 'admin' | 'client',
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; body: unknown }>;
}

const tokens = { admin: 'a-token-of-an-administrator', client: 'a-token-of-a-client' };

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });

/** @throws when it is not ready within half a minute; what it wrote is in the message. */
export async function startPageServer(): Promise<PageServer> {
  await buildPage('web');
  const authority = await startAuthority();
  const database = await createTestDatabase();
  const dir = await mkdtemp(join(tmpdir(), 'licence-page-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const authorityUrl = await authority.open();
  await mkdir(join(dir, 'tokens'));
  for (const [role, token] of Object.entries(tokens)) await writeFile(join(dir, 'tokens', role), `${token}\n`);
  const jwks = await (await fetch(new URL('/.well-known/jwks.json', authorityUrl))).text();
  await writeFile(join(dir, 'jwks.json'), jwks);

  let said = '';
  const child: ChildProcess = spawn(process.execPath, [join(repository, 'server/main.ts')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      LICENCE_LISTEN: `127.0.0.1:${port}`,
      DATABASE_URL: database.url,
      LICENCE_DATA_DIR: join(dir, 'data'),
      LICENCE_TOKENS_DIR: join(dir, 'tokens'),
      LICENCE_TRUSTED_KEYS: join(dir, 'jwks.json'),
      LICENCE_AUTHORITY_URL: authorityUrl,
      LOG_LEVEL: 'warn',
    },
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      said += chunk;
    });
  }
  const end = async () => {
    child.kill('SIGTERM');
    await ended;
    await authority.end();
    await database.drop();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await eventually('the licence server is ready', 30_000, async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
      return (await fetch(new URL('healthz/ready', url))).ok;
    });
  } catch (error) {
    await end();
    throw new Error(`${error instanceof Error ? error.message : error}\n${said}`);
  }
  return {
    url,
    databaseUrl: database.url,
    authority,
    tokens,
    call: async (role, method, path, body) => {
      const response = await fetch(new URL(path, url), {
        method,
        headers: {
          authorization: `Bearer ${tokens[role]}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
    },
    [Symbol.asyncDispose]: end,
  };
}
