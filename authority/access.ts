import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Http } from '../runtime/httpShell.ts';
import { ProblemError } from '../runtime/problem.ts';
import type { Count } from './rates.ts';

/**
 * Who may do what: the vendor everything; a customer what is theirs; `metrics` reads `/metrics`. A route says the least role
 * that it asks for in `config.role` (`vendor`, `customer`, `metrics`, `none`); one that says nothing asks for the vendor.
 */
export interface Actor {
  readonly role: 'vendor' | 'customer' | 'metrics' | 'none';
  /** What a customer's token is tied to, as its line says: the id of an organisation, or a name that it has or had. */
  readonly organisation?: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    actor: Actor & {
      /** The token by name, for the audit: the first characters of its SHA-256. */
      readonly token?: string;
    };
  }
}

/** Reads the accepted tokens anew; called for each request, so it should remember them for a while. */
export type ReadTokens = () => Promise<readonly Token[]>;
export interface Token extends Actor {
  readonly hash: Buffer;
}

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/** Lets only the right tokens through, not more often than they may, and notes in `request.actor` who asks. */
export function enforceAccess(http: Http, readTokens: ReadTokens, count: Count): void {
  http.decorateRequest('actor', null as unknown as Actor);
  http.addHook('onRequest', async (request) => {
    const needed = request.routeOptions.config.role ?? 'vendor';
    request.actor = { role: 'none' };
    if (needed === 'none' || request.is404) return;
    const [, given] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (given === undefined) {
      count('failure', request.ip);
      throw new ProblemError({ status: 401, reason: 'TokenMissing', detail: 'send Authorization: Bearer and a token' });
    }
    const hash = hashOf(given);
    // Every token is compared, so the time says nothing about which one is close.
    const actors = (await readTokens()).filter((t) => timingSafeEqual(t.hash, hash));
    const actor = actors.find((a) => a.role === 'vendor') ?? actors[0];
    if (actor === undefined) {
      count('failure', request.ip);
      throw new ProblemError({
        status: 401,
        reason: 'TokenUnknown',
        detail: 'the token is not accepted; get a new one',
      });
    }
    count('token', hash.toString('hex'));
    const { role, organisation } = actor;
    if (role !== 'vendor' && role !== needed) {
      const detail =
        needed === 'vendor' ? "this takes the vendor's token" : `this takes a token of the role "${needed}"`;
      throw new ProblemError({ status: 403, reason: 'RoleMissing', detail });
    }
    const token = hash.toString('hex').slice(0, 12);
    request.actor = { role, token, ...(organisation === undefined ? {} : { organisation }) };
  });
}

/** The files of a tokens directory, and the role of their lines. `cabinet` is the vendor's own shop: it knows its customers. */
const files = { vendor: 'vendor', customer: 'customer', cabinet: 'customer', metrics: 'metrics' } as const;
type TokenFile = keyof typeof files;

/**
 * Tokens from the files of a directory, one a line. A line of `customer` goes on with the organisation that it is for, by id
 * or name: `TOKEN org-0123456789abcdef`. One of `cabinet` does not: it opens every customer's licences. Read again every few
 * seconds, so tokens are rotated without a restart.
 * @param onOpen told once of a `customer` file with lines for nobody in particular: they open everything, as they always did
 */
export function tokensFrom(dir: string, nowMs: () => number, onOpen: (message: string) => void = () => {}): ReadTokens {
  let readAt = Number.NEGATIVE_INFINITY;
  let tokens: readonly Token[] = [];
  let told = false;
  return async () => {
    if (Math.abs(nowMs() - readAt) < 5_000) return tokens;
    const names = Object.keys(files) as TokenFile[];
    const read = await Promise.all(names.map(async (file) => ({ file, tokens: await readTokens(dir, file) })));
    readAt = nowMs();
    tokens = read.flatMap((r) => r.tokens);
    const open = read.some((r) => r.file === 'customer' && r.tokens.some((t) => t.organisation === undefined));
    if (open && !told) {
      onOpen(
        `${join(dir, 'customer')} has a token without an organisation: whoever has it sees and regenerates the licences of all ` +
          'customers; add the organisation behind it, or, if it is that of your own cabinet, move the line to the file cabinet',
      );
    }
    told = open;
    return tokens;
  };
}

async function readTokens(dir: string, file: TokenFile): Promise<Token[]> {
  const text = await readFile(join(dir, file), 'utf8').catch(() => '');
  const role = files[file];
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [token = '', ...rest] = line.split(/\s+/);
      const organisation = file === 'customer' ? rest.join(' ') : '';
      return { role, hash: hashOf(token), ...(organisation === '' ? {} : { organisation }) };
    });
}

/**
 * Makes a directory with a token of the vendor and one for metrics, for a first start without any; keeps what is there. None
 * of a customer: nobody knows yet whose it would be.
 */
export async function ensureTokens(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const file of ['vendor', 'metrics'] satisfies TokenFile[]) {
    const token = `${randomBytes(32).toString('base64url')}\n`;
    await writeFile(join(dir, file), token, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
