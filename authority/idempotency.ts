import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { ProblemError } from '../runtime/problem.ts';
import type { LicencesDeps } from './changeLicence.ts';
import type { Client, Transact } from './database.ts';
import type { Outcome } from './refusal.ts';

/** How long an answer is kept for whoever lost it. */
export const answersKeptMs = 7 * 86_400_000;

/** One request of one asker. */
export interface Asked {
  readonly actor: string;
  /** The header's value; undefined: every request is a new one. */
  readonly idempotencyKey: string | undefined;
  /** What is asked, for telling a repetition from another request. */
  readonly request: string;
}
/** An outcome, and whether it is the one of an earlier request. */
export type Once<T> = Outcome<T> & { readonly replayed?: boolean };

/**
 * Runs `work` once for each idempotency key: a repetition gets the first answer again, and two at once run one after the
 * other. The answer is kept in the transaction of the work itself, so neither is there without the other. A refusal is
 * not kept: it has changed nothing, and is judged anew.
 */
export async function once<T>(
  deps: LicencesDeps,
  { actor, idempotencyKey, request }: Asked,
  work: (deps: LicencesDeps) => Promise<Outcome<T>>,
): Promise<Once<T>> {
  if (idempotencyKey === undefined) return work(deps);
  const id = sha256(JSON.stringify([actor, idempotencyKey]));
  const requestHash = sha256(request);
  return deps.transact(async (client): Promise<Once<T>> => {
    await client.query('SELECT pg_advisory_xact_lock($1)', [id.readBigInt64BE().toString()]);
    const nowMs = await deps.now(client);
    const oldest = new Date(nowMs - answersKeptMs);
    const { rows } = await client.query<{ request_hash: Buffer; answer: Buffer }>(
      'SELECT request_hash, answer FROM answered WHERE id = $1 AND at > $2',
      [id, oldest],
    );
    const [kept] = rows;
    if (kept !== undefined) {
      if (!kept.request_hash.equals(requestHash)) {
        return {
          ok: false,
          reason: 'IdempotencyKeyReused',
          detail: 'this Idempotency-Key came with another request before; use a new one for each',
        };
      }
      return { ok: true, value: JSON.parse(decrypt(kept.answer, idempotencyKey)) as T, replayed: true };
    }
    const within: Transact = (then) => then(client);
    const outcome = await work({ ...deps, transact: within });
    if (outcome.ok) {
      await prune(client, oldest);
      await client.query(
        `INSERT INTO answered (id, request_hash, answer, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET request_hash = $2, answer = $3, at = $4`,
        [id, requestHash, encrypt(JSON.stringify(outcome.value), idempotencyKey), new Date(nowMs)],
      );
    }
    return outcome;
  });
}

/** The header's value, if there is one. @throws ProblemError when it is none that nobody can guess */
export function idempotencyKeyOf(header: string | readonly string[] | undefined): string | undefined {
  if (header === undefined) return undefined;
  if (typeof header === 'string' && /^[\x21-\x7e]{16,200}$/.test(header)) return header;
  const detail = 'Idempotency-Key must be 16 to 200 printable characters without spaces; take a random UUID';
  throw new ProblemError({ status: 400, reason: 'InvalidRequest', detail });
}

/** Some of the answers that are too old, without waiting for whoever prunes at the same time. */
const prune = (client: Client, oldest: Date) =>
  client.query(
    `DELETE FROM answered WHERE id IN (SELECT id FROM answered WHERE at <= $1 LIMIT 100 FOR UPDATE SKIP LOCKED)`,
    [oldest],
  );

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();
const saltBytes = 16;
const ivBytes = 12;
const tagBytes = 16;
const secretOf = (idempotencyKey: string, salt: Buffer): Buffer =>
  Buffer.from(hkdfSync('sha256', idempotencyKey, salt, 'licence-authority/answered', 32));

function encrypt(text: string, idempotencyKey: string): Buffer {
  const [salt, iv] = [randomBytes(saltBytes), randomBytes(ivBytes)];
  const cipher = createCipheriv('aes-256-gcm', secretOf(idempotencyKey, salt), iv);
  const hidden = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([salt, iv, cipher.getAuthTag(), hidden]);
}

function decrypt(stored: Buffer, idempotencyKey: string): string {
  const [ivAt, tagAt] = [saltBytes, saltBytes + ivBytes];
  const textAt = tagAt + tagBytes;
  const secret = secretOf(idempotencyKey, stored.subarray(0, ivAt));
  const decipher = createDecipheriv('aes-256-gcm', secret, stored.subarray(ivAt, tagAt), { authTagLength: tagBytes });
  decipher.setAuthTag(stored.subarray(tagAt, textAt));
  return Buffer.concat([decipher.update(stored.subarray(textAt)), decipher.final()]).toString('utf8');
}
