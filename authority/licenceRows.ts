import type { BorrowTerms, Entitlements } from '../licence/entitlements.ts';
import { momentOf } from '../licence/moment.ts';
import { monthStart, type RegenerationBudget, regenerationBudget } from '../licence/regenerationBudget.ts';
import type { CountBy, SupportPolicy } from '../licence/words.ts';
import type { Client } from './database.ts';
import type { KeyState } from './decideActivation.ts';

export interface LicenceRow {
  id: string;
  organisation: string;
  organisation_id: string;
  product: string;
  support_policy: SupportPolicy;
  features: string[];
  count_by: CountBy;
  overdraft_seats: number;
  weights: Readonly<Record<string, number>> | null;
  borrow: BorrowTerms | null;
  reassign_after_days: number | null;
}

export interface KeyRow {
  key_id: string;
  licence_id: string;
  generation: number;
  made_by: 'issue' | 'regenerate' | 'renew';
  made_at: Date;
  seat_limit: number;
  support_until: Date | null;
  expires_at: Date | null;
  trial: boolean;
  fingerprint: string | null;
  bound_at: Date | null;
  sequence: number;
  continued_sequence: number;
  activated_at: Date | null;
  clone_suspected_at: Date | null;
  pardoned: boolean;
  revoked_at: Date | null;
  revoked_reason: string | null;
}

/** The licence, held against everybody else until the transaction ends: one change of a licence at a time. */
export async function lockLicence(client: Client, licenceId: string): Promise<LicenceRow | undefined> {
  const { rows } = await client.query<LicenceRow>(
    'SELECT id, organisation, organisation_id, product, support_policy, features, count_by, overdraft_seats, weights, borrow, reassign_after_days FROM licence WHERE id = $1 FOR UPDATE',
    [licenceId],
  );
  return rows[0];
}

const keyColumns = `key_id, licence_id, generation, made_by, made_at, seat_limit, support_until, expires_at, trial, fingerprint,
  bound_at, sequence, continued_sequence, activated_at, clone_suspected_at, pardoned, revoked_at, revoked_reason`;

/** All keys of the licences, the newest generation first. */
export async function keysOf(client: Client, licenceIds: readonly string[]): Promise<KeyRow[]> {
  const { rows } = await client.query<KeyRow>(
    `SELECT ${keyColumns} FROM licence_key WHERE licence_id = ANY($1) ORDER BY licence_id, generation DESC`,
    [licenceIds],
  );
  return rows;
}

/** Which licence a key belongs to; undefined: there is no such key. */
export async function licenceOfKey(
  client: Client,
  by: { readonly hash: Buffer } | { readonly keyId: string },
): Promise<{ licenceId: string; keyId: string } | undefined> {
  const [column, value] = 'hash' in by ? ['key_hash', by.hash] : ['key_id', by.keyId];
  const { rows } = await client.query<{ licence_id: string; key_id: string }>(
    `SELECT licence_id, key_id FROM licence_key WHERE ${column} = $1`,
    [value],
  );
  return rows[0] && { licenceId: rows[0].licence_id, keyId: rows[0].key_id };
}

/** What is left of the monthly regenerations of a licence. */
export async function budgetOf(client: Client, licenceId: string, nowMs: number): Promise<RegenerationBudget> {
  const { rows } = await client.query<{ at: Date }>(
    'SELECT at FROM regeneration WHERE licence_id = $1 AND override_reason IS NULL AND at >= $2',
    [licenceId, new Date(monthStart(nowMs))],
  );
  return regenerationBudget(
    rows.map((r) => r.at.getTime()),
    nowMs,
  );
}

export const keyState = (k: KeyRow): KeyState => ({
  generation: k.generation,
  ...(k.fingerprint === null ? {} : { fingerprint: k.fingerprint }),
  madeBy: k.made_by,
  revoked: k.revoked_at !== null,
  sequence: k.sequence,
  continuedSequence: k.continued_sequence,
  pardoned: k.pardoned,
});

export const entitlementsOf = (licence: LicenceRow, key: KeyRow): Entitlements => ({
  licenceId: licence.id,
  organisation: licence.organisation,
  product: licence.product,
  seatLimit: key.seat_limit,
  ...momentIf('supportUntil', key.support_until),
  ...momentIf('expiresAt', key.expires_at),
  supportPolicy: licence.support_policy,
  features: licence.features,
  ...(key.trial ? { trial: true } : {}),
  ...(licence.count_by === 'session' ? {} : { countBy: licence.count_by }),
  ...(licence.overdraft_seats === 0 ? {} : { overdraftSeats: licence.overdraft_seats }),
  ...(licence.weights === null ? {} : { weights: licence.weights }),
  ...(licence.borrow === null ? {} : { borrow: licence.borrow }),
  ...(licence.reassign_after_days === null
    ? {}
    : { assignment: 'named' as const, reassignAfterDays: licence.reassign_after_days }),
});

/** A member with a moment, or none. */
export const momentIf = <K extends string>(name: K, at: Date | null): Partial<Record<K, string>> =>
  at === null ? {} : ({ [name]: momentOf(at.getTime()) } as Record<K, string>);
