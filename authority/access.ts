import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Http } from '../runtime/httpShell.ts';
import { ProblemError } from '../runtime/problem.ts';
import type { Count } from './rates.ts';

/**
 * Who may do what: the vendor everything; a customer what is theirs. A route says the least role that it asks for in
 * `config.role` (`vendor`, `customer`, `none`); one that says nothing asks for the vendor.
 */
export interface Actor {
  readonly role: 'vendor' | 'customer' | 'none';
  /** A customer token may be tied to one organisation. */
  readonly organisation?: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    actor: Actor;
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
    if (needed === 'vendor' && actor.role !== 'vendor') {
      throw new ProblemError({ status: 403, reason: 'RoleMissing', detail: "this takes the vendor's token" });
    }
    const { role, organisation } = actor;
    request.actor = { role, ...(organisation === undefined ? {} : { organisation }) };
  });
}

/**
 * Tokens from files `vendor` and `customer` of a directory, one a line; a customer's line may go on with the organisation
 * that it is for: `TOKEN Romashka Ltd`. Read again every few seconds, so tokens are rotated without a restart.
 */
export function tokensFrom(dir: string, nowMs: () => number): ReadTokens {
  let readAt = Number.NEGATIVE_INFINITY;
  let tokens: readonly Token[] = [];
  return async () => {
    if (Math.abs(nowMs() - readAt) < 5_000) return tokens;
    const read = await Promise.all((['vendor', 'customer'] as const).map((role) => readRole(dir, role)));
    readAt = nowMs();
    tokens = read.flat();
    return tokens;
  };
}

async function readRole(dir: string, role: 'vendor' | 'customer'): Promise<Token[]> {
  const text = await readFile(join(dir, role), 'utf8').catch(() => '');
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [token = '', ...rest] = line.split(/\s+/);
      const organisation = rest.join(' ');
      return { role, hash: hashOf(token), ...(role === 'vendor' || organisation === '' ? {} : { organisation }) };
    });
}

/** Makes a directory with one token a role, for a first start without any; keeps what is there. */
export async function ensureTokens(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const role of ['vendor', 'customer']) {
    const token = `${randomBytes(32).toString('base64url')}\n`;
    await writeFile(join(dir, role), token, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}
