import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createActivation } from '../../../../licence/activation.ts';
import type { Entitlements } from '../../../../licence/entitlements.ts';
import { createKey, keyIdOf } from '../../../../licence/key.ts';
import type { SignatureAlgorithm } from '../../../../licence/signatureAlgorithm.ts';
import { loadIdentity } from '../../../../server/keys/identity.ts';

const root = join(import.meta.dirname, '..', '..', '..', '..');
const deadlineMs = 40_000;

export async function until<T>(what: string, check: () => Promise<T | false | undefined>, ms = deadlineMs): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await check().catch(() => undefined);
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`never happened: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** One computer: a data directory with an identity, and an activation for it signed by a vendor of the test's own. */
export interface Computer {
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string>>;
  remove(): void;
}

/**
 * @param alg `Ed25519` where an earlier build has to read the activation too
 * @param terms of the licence beside its seats
 */
export async function createComputer(
  seatLimit: number,
  alg: SignatureAlgorithm = 'EdDSA',
  terms: Partial<Entitlements> = {},
): Promise<Computer> {
  const dir = mkdtempSync(join(tmpdir(), 'licence-'));
  const dataDir = join(dir, 'Licence Server');
  mkdirSync(join(dataDir, 'Licence'), { recursive: true });
  const identity = await loadIdentity({ dataDir });
  const vendor = generateKeyPairSync('ed25519');
  const trustFile = join(dir, 'jwks.json');
  writeFileSync(trustFile, JSON.stringify({ keys: [{ ...jwkOf(vendor.publicKey), kid: 'v1', alg }] }));
  const key = createKey(Uint8Array.from({ length: 16 }, (_, i) => i + 1));
  const keyId = keyIdOf(key);
  const activation = createActivation(
    {
      keyId,
      generation: 1,
      fingerprint: identity.fingerprint,
      serverPublicKey: identity.publicKey,
      issuedAt: '2026-01-01T00:00:00Z',
      sequence: 1,
      entitlements: {
        licenceId: 'l-1',
        organisation: 'Test',
        product: 'erp',
        seatLimit,
        supportPolicy: 'warn',
        features: [],
        ...terms,
      },
    },
    'v1',
    vendor.privateKey,
    alg,
  );
  writeFileSync(join(dataDir, 'Licence', `${keyId}.lic`), activation);
  return {
    dataDir,
    env: {
      LICENCE_DATA_DIR: dataDir,
      LICENCE_TRUSTED_KEYS: trustFile,
      LICENCE_LISTEN: '127.0.0.1:0',
      LICENCE_ACCESS: 'open',
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
const jwkOf = (key: KeyObject) => key.export({ format: 'jwk' });

/** The program as a process of its own. */
export class ServerProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<number | string>;
  output = '';
  address = '';

  private constructor(
    env: Readonly<Record<string, string>>,
    program: 'server' | 'authority',
    command: readonly string[] = [process.execPath, join(root, program, 'main.ts')],
  ) {
    const { PATH = '', HOME = '/', NODE_COMPILE_CACHE } = process.env;
    const [file = '', ...args] = command;
    this.child = spawn(file, args, {
      env: { PATH, HOME, NODE_COMPILE_CACHE, NODE_NO_WARNINGS: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk) => {
        this.output += chunk;
      });
    }
    this.exited = new Promise((resolve) => this.child.on('close', (code, signal) => resolve(code ?? signal ?? '')));
  }

  /** Starts it, by a command line of its own if one is given, and waits until it ends or is ready. */
  static async start(
    env: Readonly<Record<string, string>>,
    program: 'server' | 'authority' = 'server',
    readyWhen = '"msg":"ready"',
    command?: readonly string[],
  ): Promise<ServerProcess> {
    const server = new ServerProcess(env, program, command);
    let ended = false;
    void server.exited.then(() => {
      ended = true;
    });
    await until('the server to be ready', async () => ended || server.output.includes(readyWhen));
    server.address = /"address":"([^"]+)"/.exec(server.output)?.[1] ?? '';
    return server;
  }

  async call(method: string, path: string, body?: unknown) {
    if (this.address === '') throw new Error(`it never listened: ${this.output}`);
    const response = await fetch(this.address + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  }
  checkOut(user: string, mode = 'leased') {
    return this.call('POST', '/v1/checkouts', { product: 'erp', mode, holder: { base: 'b', user, host: 'h' } });
  }
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    this.child.kill(signal);
    return this.exited;
  }
}

/** Runs the program with a command, to its end. */
export async function runServer(env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const { PATH = '', HOME = '/', NODE_COMPILE_CACHE } = process.env;
  const child = spawn(process.execPath, [join(root, 'server', 'main.ts'), ...args], {
    env: { PATH, HOME, NODE_COMPILE_CACHE, NODE_NO_WARNINGS: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const status = await new Promise<number | string>((resolve) =>
    child.on('close', (code, signal) => resolve(code ?? signal ?? '')),
  );
  return { status, stdout: Buffer.concat(chunks), stderr: errors };
}

/** The processes of PostgreSQL that work in a data directory. */
export const postgresOf = (dataDir: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`).startsWith(join(dataDir, 'postgres'));
      } catch {
        return false;
      }
    });
export const postmasterOf = (dataDir: string): number => {
  const majors = readdirSync(join(dataDir, 'postgres')).filter((n) => /^\d+$/.test(n));
  return Number(readFileSync(join(dataDir, 'postgres', majors[0] ?? '', 'postmaster.pid'), 'utf8').split('\n')[0]);
};
