import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { Client } from '../database.ts';
import { type Person, type PersonRow, personColumns, personOf } from './people.ts';

/** How long one stays signed in, in ms. */
export interface SessionTimes {
  /** After the last request. */
  readonly idleMs: number;
  /** After the sign-in, whatever one does. */
  readonly wholeMs: number;
}
export const defaultSessionTimes: SessionTimes = { idleMs: 30 * 60_000, wholeMs: 12 * 3_600_000 };

export interface Session {
  readonly person: Person;
  readonly tokenHash: Buffer;
  readonly createdMs: number;
}

/** A random token of 256 bits: only its hash is kept, so a copy of the database signs nobody in. */
export const newToken = (): string => randomBytes(32).toString('base64url');
export const hashOfToken = (token: string): Buffer => createHash('sha256').update(token).digest();

/** What a page shows beside the cookie: another site's page can send the cookie, but cannot know this. */
export const csrfTokenOf = (token: string): string =>
  createHmac('sha256', token).update('licence-authority/csrf').digest('base64url');

/** A session under a new token, whatever the browser had before; answers the token. */
export async function openSession(
  client: Client,
  personId: string,
  nowMs: number,
  address: string | undefined,
): Promise<string> {
  const token = newToken();
  await client.query(
    'INSERT INTO session (token_hash, person_id, created_at, seen_at, address) VALUES ($1, $2, $3, $3, $4)',
    [hashOfToken(token), personId, new Date(nowMs), address],
  );
  return token;
}

/** Who shows the token, if the session has not ended. */
export async function findSession(
  client: Client,
  token: string,
  nowMs: number,
  { idleMs, wholeMs }: SessionTimes,
): Promise<Session | undefined> {
  const tokenHash = hashOfToken(token);
  const { rows } = await client.query<PersonRow & { session_at: Date; seen_at: Date }>(
    `SELECT ${personColumns}, s.created_at AS session_at, s.seen_at FROM session s JOIN person p ON p.id = s.person_id
     WHERE s.token_hash = $1 AND s.created_at > $2 AND s.seen_at > $3 AND p.disabled_at IS NULL`,
    [tokenHash, new Date(nowMs - wholeMs), new Date(nowMs - idleMs)],
  );
  const [row] = rows;
  if (row === undefined) return undefined;
  // to the minute is enough, and spares a write for each request
  if (nowMs - row.seen_at.getTime() > Math.min(60_000, idleMs / 4)) {
    await client.query('UPDATE session SET seen_at = $2 WHERE token_hash = $1', [tokenHash, new Date(nowMs)]);
  }
  return { person: personOf(row), tokenHash, createdMs: row.session_at.getTime() };
}

export const endSession = (client: Client, tokenHash: Buffer) =>
  client.query('DELETE FROM session WHERE token_hash = $1', [tokenHash]);

/** Signs a person out everywhere, or everywhere else. */
export const endSessions = (client: Client, personId: string, except?: Buffer) =>
  client.query('DELETE FROM session WHERE person_id = $1 AND ($2::bytea IS NULL OR token_hash <> $2)', [
    personId,
    except,
  ]);

/** Some of the sessions that have ended by themselves. */
export const pruneSessions = (client: Client, nowMs: number, { idleMs, wholeMs }: SessionTimes) =>
  client.query(
    `DELETE FROM session WHERE token_hash IN
       (SELECT token_hash FROM session WHERE seen_at <= $1 OR created_at <= $2 LIMIT 100 FOR UPDATE SKIP LOCKED)`,
    [new Date(nowMs - idleMs), new Date(nowMs - wholeMs)],
  );
