import { createHash } from 'node:crypto';
import type { Problem } from '../../runtime/problem.ts';
import type { Rate } from '../../runtime/rateLimit.ts';
import type { Client, Transact } from '../database.ts';

/** How often one may try what a guess could open; counted in the database, so for all replicas together. */
export interface AttemptRates {
  /** Sign-ins with one e-mail from one address: slows down whoever guesses a password. */
  readonly account: Rate;
  /** Sign-ins with one e-mail from anywhere. More, so that a stranger's guesses do not keep the person out at once. */
  readonly anywhere: Rate;
  /** Sign-ins and invitations from one address. */
  readonly address: Rate;
}

export const defaultAttemptRates: AttemptRates = {
  account: { burst: 5, perSecond: 1 / 60 },
  anywhere: { burst: 30, perSecond: 1 / 30 },
  address: { burst: 30, perSecond: 1 / 5 },
};

/** One limit, and whose. */
export interface Asker {
  readonly what: keyof AttemptRates;
  readonly who: string;
}

export interface AttemptsDeps {
  readonly transact: Transact;
  readonly now: (client: Client) => Promise<number>;
  readonly attemptRates: AttemptRates;
}

/**
 * Counts an attempt before it is made, so that as many as one likes at once are no more than the limit. Answers the refusal when
 * it is one too many.
 */
export async function countAttempt(
  { transact, now, attemptRates }: AttemptsDeps,
  askers: readonly Asker[],
): Promise<Problem | undefined> {
  return transact(async (client) => {
    const nowMs = await now(client);
    for (const asker of askers) {
      const seconds = await take(client, asker, attemptRates[asker.what], nowMs);
      if (seconds > 0) {
        return {
          status: 429,
          reason: 'TooManyRequests',
          detail: `too many attempts; try again in ${seconds} s`,
          retryAfterSeconds: seconds,
        };
      }
    }
    // last: whoever deletes rows of others must wait for none any more
    await client.query(
      'DELETE FROM attempt WHERE who IN (SELECT who FROM attempt WHERE full_at < $1 LIMIT 100 FOR UPDATE SKIP LOCKED)',
      [new Date(nowMs)],
    );
    return undefined;
  });
}

/** Attempts that came to a good end do not count. In the order in which they are counted: two at once must not hold each other up. */
export async function forgiveAttempts(client: Client, askers: readonly Asker[]): Promise<void> {
  for (const asker of askers) await client.query('DELETE FROM attempt WHERE who = $1', [idOf(asker)]);
}

/** Takes one of the asker's bucket; answers the seconds until there is one. The row's lock puts attempts at once in a row. */
async function take(client: Client, asker: Asker, { burst, perSecond }: Rate, nowMs: number): Promise<number> {
  const stepMs = 1_000 / perSecond;
  const id = idOf(asker);
  const { rows } = await client.query<{ full_at: Date }>('SELECT full_at FROM attempt WHERE who = $1 FOR UPDATE', [id]);
  if (rows.length === 0) {
    const made = await client.query('INSERT INTO attempt (who, full_at) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      id,
      new Date(nowMs + stepMs),
    ]);
    // somebody else was first: it is there now, and its lock can be waited for
    return made.rowCount === 1 ? 0 : take(client, asker, { burst, perSecond }, nowMs);
  }
  // no fuller than empty: a clock that was put back must keep nobody out for longer than a step
  const kept = Math.min(rows[0]?.full_at.getTime() ?? 0, nowMs + burst * stepMs);
  const fullMs = Math.max(kept, nowMs) + stepMs;
  const waitMs = fullMs - (nowMs + burst * stepMs);
  if (waitMs > 1) return Math.max(1, Math.ceil(waitMs / 1_000));
  await client.query('UPDATE attempt SET full_at = $2 WHERE who = $1', [id, new Date(fullMs)]);
  return 0;
}

const idOf = ({ what, who }: Asker): Buffer =>
  createHash('sha256')
    .update(JSON.stringify([what, who]))
    .digest();
