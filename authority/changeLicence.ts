import { createHash, randomBytes } from 'node:crypto';
import type { IssuedKey } from '../licence/authorityWire.ts';
import { createKey, keyIdOf, keyRandomBytes } from '../licence/key.ts';
import { momentOf } from '../licence/moment.ts';
import { type AuditEntry, type Who, writeAudit } from './audit.ts';
import type { Client, Transact } from './database.ts';
import { howMade } from './decideActivation.ts';
import { budgetOf, type KeyRow, keysOf, type LicenceRow, licenceOfKey, lockLicence, momentIf } from './licenceRows.ts';
import { organisationOf } from './organisations.ts';
import type { Outcome, Refusal } from './refusal.ts';
import { keptEnd } from './terms.ts';

/** What every change of a licence is made of: who asks, what is refused, one change at a time, a new key. */

export interface LicencesDeps {
  readonly transact: Transact;
  /** The present time in ms. */
  readonly now: (client: Client) => Promise<number>;
}

/** What a key is sold with. */
export interface Terms {
  readonly seatLimit: number;
  readonly supportUntil?: string | undefined;
  readonly expiresAt?: string | undefined;
  /** Given for a while to try the product; absent: bought. */
  readonly trial?: true | undefined;
}
/** As it comes from a request, where an optional member may be undefined. */
export type Loose<T> = { readonly [K in keyof T]: T[K] | undefined };

/** Who asks, for the audit and for what they may see. */
export interface By extends Who {
  /** The vendor may do what a customer may not: make keys of a revoked licence, name the terms. */
  readonly isVendor: boolean;
  /** Only licences of this organisation (its id or a name of it); others look as if they did not exist. */
  readonly organisation?: string | undefined;
}

/**
 * What is changed: a licence, or the licence of a key. By keyId that key must be the newest one: whoever acts on an older
 * state, or a second time, is told so before anything is spent.
 */
export type Target = { readonly licenceId: string } | { readonly keyId: string };

export const hashOfKey = (key: string): Buffer => createHash('sha256').update(key).digest();

interface Held {
  readonly licence: LicenceRow;
  readonly keys: readonly [KeyRow, ...KeyRow[]];
}

export const noSuchKey = {
  ok: false,
  reason: 'KeyUnknown',
  detail: 'there is no key of that keyId; see GET /v1/licences',
} as const;
const noSuchLicence = {
  ok: false,
  reason: 'LicenceUnknown',
  detail: 'there is no such licence; see GET /v1/licences',
} as const;
export const isForeign = async (client: Client, licence: LicenceRow, by: By): Promise<boolean> =>
  by.organisation !== undefined && (await organisationOf(client, by.organisation)) !== licence.organisation_id;

/** Runs a change on a locked licence; a refusal is noted in the audit too. */
export async function changeLicence<T>(
  deps: LicencesDeps,
  target: Target,
  by: By,
  action: string,
  change: (client: Client, held: Held, nowMs: number) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  return deps.transact(async (client) => {
    const unknown = 'keyId' in target ? noSuchKey : noSuchLicence;
    const { licenceId } = 'keyId' in target ? ((await licenceOfKey(client, target)) ?? {}) : target;
    const licence = licenceId === undefined ? undefined : await lockLicence(client, licenceId);
    if (licenceId === undefined || licence === undefined) return unknown;
    if (await isForeign(client, licence, by)) return unknown;
    // Read after the lock: whoever waited must see what the one before has done, in the month in which it runs.
    const nowMs = await deps.now(client);
    const [newest, ...older] = await keysOf(client, [licenceId]);
    if (newest === undefined) return unknown;
    const outcome = outdated(target, newest) ?? (await change(client, { licence, keys: [newest, ...older] }, nowMs));
    if (!outcome.ok) {
      const { key_id: keyId } = newest;
      await writeAudit(client, nowMs, { by, action, outcome: outcome.reason, licenceId, keyId });
    }
    return outcome;
  });
}

function outdated(target: Target, newest: KeyRow): ({ readonly ok: false } & Refusal) | undefined {
  if (!('keyId' in target) || target.keyId === newest.key_id) return undefined;
  return {
    ok: false,
    reason: 'KeySuperseded',
    detail:
      `it is not the newest key of its licence, ${newest.key_id} (generation ${newest.generation}, ${howMade[newest.made_by]}) ` +
      `is${newest.revoked_at === null ? '' : ', and the vendor has revoked that one'}; nothing was changed`,
    newestKeyId: newest.key_id,
    newestGeneration: newest.generation,
  };
}

interface NewKey {
  readonly generation: number;
  readonly madeBy: KeyRow['made_by'];
  readonly terms: Terms;
  readonly nowMs: number;
  readonly fingerprint?: string | null;
  readonly boundAt?: Date | null;
}

export async function makeKey(client: Client, licenceId: string, k: NewKey) {
  const key = createKey(randomBytes(keyRandomBytes));
  const keyId = keyIdOf(key);
  await client.query(
    `INSERT INTO licence_key (key_id, key_hash, licence_id, generation, made_by, made_at, seat_limit, support_until,
       expires_at, fingerprint, bound_at, trial)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      keyId,
      hashOfKey(key),
      licenceId,
      k.generation,
      k.madeBy,
      new Date(k.nowMs),
      k.terms.seatLimit,
      keptEnd(k.terms.supportUntil),
      keptEnd(k.terms.expiresAt),
      k.fingerprint,
      k.boundAt,
      k.terms.trial ?? false,
    ],
  );
  return { licenceId, key, keyId, generation: k.generation, terms: k.terms };
}

export async function issued(
  client: Client,
  { terms, ...made }: Awaited<ReturnType<typeof makeKey>>,
  nowMs: number,
  entry: Pick<AuditEntry, 'by' | 'action' | 'detail'>,
): Promise<IssuedKey> {
  const { licenceId, keyId } = made;
  await writeAudit(client, nowMs, { ...entry, outcome: 'ok', licenceId, keyId });
  const budget = await budgetOf(client, licenceId, nowMs);
  const { seatLimit, supportUntil, expiresAt, trial } = terms;
  return {
    ...made,
    regenerationsLeft: budget.left,
    regenerationsResetAt: budget.resetAt,
    seatLimit,
    ...(supportUntil === undefined ? {} : { supportUntil: momentOf(Date.parse(supportUntil)) }),
    ...(expiresAt === undefined ? {} : { expiresAt: momentOf(Date.parse(expiresAt)) }),
    ...(trial ? { trial } : {}),
  };
}

export const termsOf = (k: KeyRow): Terms => ({
  seatLimit: k.seat_limit,
  ...momentIf('supportUntil', k.support_until),
  ...momentIf('expiresAt', k.expires_at),
  ...(k.trial ? { trial: true } : {}),
});

export const withoutUndefined = <T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
