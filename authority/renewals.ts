import type { RenewalTerms } from '../licence/authorityWire.ts';
import type { Client } from './database.ts';
import { momentIf } from './licenceRows.ts';
import { keptEnd } from './terms.ts';

/** Extensions that are paid for and that the customer has not taken yet. All of a licence are taken together. */

interface RenewalRow {
  seat_limit: number | null;
  support_until: Date | null;
  expires_at: Date | null;
}

/** Notes a paid extension. */
export async function addRenewal(
  client: Client,
  licenceId: string,
  terms: RenewalTerms,
  of: { readonly reference: string | undefined; readonly nowMs: number },
): Promise<void> {
  await client.query(
    `INSERT INTO renewal (licence_id, seat_limit, support_until, expires_at, reference, granted_at)
     VALUES ($1, $2, $3, $4, $5, $6)`,
    [
      licenceId,
      terms.seatLimit,
      keptEnd(terms.supportUntil),
      keptEnd(terms.expiresAt),
      of.reference,
      new Date(of.nowMs),
    ],
  );
}

/** What waits for a licence, as one: the latest end of each term, the seats of the last. Undefined: nothing. */
export async function waitingRenewal(client: Client, licenceId: string): Promise<RenewalTerms | undefined> {
  const { rows } = await client.query<RenewalRow>(
    'SELECT seat_limit, support_until, expires_at FROM renewal WHERE licence_id = $1 AND taken_at IS NULL ORDER BY id',
    [licenceId],
  );
  if (rows.length === 0) return undefined;
  const seatLimit = rows.findLast((r) => r.seat_limit !== null)?.seat_limit;
  return {
    ...(seatLimit === undefined || seatLimit === null ? {} : { seatLimit }),
    ...momentIf('supportUntil', latest(rows.map((r) => r.support_until))),
    ...momentIf('expiresAt', latest(rows.map((r) => r.expires_at))),
  };
}

/** Marks all that waits as taken by a key. */
export async function takeRenewals(client: Client, licenceId: string, keyId: string, nowMs: number): Promise<void> {
  await client.query('UPDATE renewal SET taken_at = $3, taken_by_key = $2 WHERE licence_id = $1 AND taken_at IS NULL', [
    licenceId,
    keyId,
    new Date(nowMs),
  ]);
}

const latest = (ends: readonly (Date | null)[]): Date | null =>
  ends.reduce((a, b) => (a === null || (b !== null && b > a) ? b : a), null);
