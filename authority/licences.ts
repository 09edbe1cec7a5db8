import { createHash, randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { IssuedKey, IssueRequest } from '../licence/authorityWire.ts';
import { symbolsOf, textOf } from '../licence/crockford.ts';
import type { Entitlements } from '../licence/entitlements.ts';
import { createKey, keyIdOf, keyRandomBytes } from '../licence/key.ts';
import { type AuditEntry, writeAudit } from './audit.ts';
import { type Client, transaction } from './database.ts';
import {
  budgetOf,
  entitlementsOf,
  type KeyRow,
  keysOf,
  type LicenceRow,
  licenceOfKey,
  lockLicence,
  momentIf,
} from './licenceRows.ts';

/** Licences and their keys. A key's text leaves here once, when it is made; the database keeps its hash. */

export interface LicencesDeps {
  readonly pool: pg.Pool;
  /** The present time in ms. */
  readonly now: (client: Client) => Promise<number>;
}

/** What a key is sold with. */
export interface Terms {
  readonly seatLimit: number;
  readonly supportUntil?: string | undefined;
  readonly expiresAt?: string | undefined;
}
/** As it comes from a request, where an optional member may be undefined. */
export type Loose<T> = { readonly [K in keyof T]: T[K] | undefined };

/** Refusals of normal life. */
export type Refusal =
  | { readonly reason: 'LicenceUnknown' | 'KeyUnknown' | 'OverrideNotAllowed'; readonly detail: string }
  | { readonly reason: 'RegenerationLimit'; readonly detail: string; readonly resetAt: string };
export type Outcome<T> = { readonly ok: true; readonly value: T } | ({ readonly ok: false } & Refusal);

/** Who asks, for the audit and for what they may see. */
export interface By {
  readonly actor: string;
  /** Only licences of this organisation; others look as if they did not exist. */
  readonly organisation?: string | undefined;
}

export const hashOfKey = (key: string): Buffer => createHash('sha256').update(key).digest();

/** Issues a licence with its first key. */
export async function issueLicence(
  deps: LicencesDeps,
  request: Loose<IssueRequest> & Terms,
  by: By,
): Promise<IssuedKey> {
  return transaction(deps.pool, async (client) => {
    const nowMs = await deps.now(client);
    const id = `lic-${textOf(symbolsOf(randomBytes(10))).toLowerCase()}`;
    await client.query(
      `INSERT INTO licence (id, organisation, product, support_policy, features, created_at)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [
        id,
        request.organisation,
        request.product,
        request.supportPolicy ?? 'warn',
        request.features ?? [],
        new Date(nowMs),
      ],
    );
    const made = await makeKey(client, id, { generation: 1, madeBy: 'issue', terms: request, nowMs });
    return issued(client, made, nowMs, { ...by, action: 'issue' });
  });
}

/** A new key of a licence, at most three a calendar month unless support allows another one. */
export async function regenerateKey(
  deps: LicencesDeps,
  licenceId: string,
  by: By & { readonly supportOverride?: string | undefined },
): Promise<Outcome<IssuedKey>> {
  return changeLicence(deps, licenceId, by, 'regenerate', async (client, { keys: [newest] }, nowMs) => {
    const budget = await budgetOf(client, licenceId, nowMs);
    if (budget.left === 0 && by.supportOverride === undefined) {
      return {
        ok: false,
        reason: 'RegenerationLimit',
        detail: `three new keys were made this month; the next one can be made at ${budget.resetAt}, or ask support`,
        resetAt: budget.resetAt,
      };
    }
    await client.query('INSERT INTO regeneration (licence_id, at, override_reason) VALUES ($1, $2, $3)', [
      licenceId,
      new Date(nowMs),
      by.supportOverride,
    ]);
    const next = { generation: newest.generation + 1, madeBy: 'regenerate', terms: termsOf(newest), nowMs } as const;
    const made = await makeKey(client, licenceId, next);
    return {
      ok: true,
      value: await issued(client, made, nowMs, { ...by, action: 'regenerate', detail: by.supportOverride }),
    };
  });
}

/**
 * A new key that prolongs. It stays on the computer of the one before: otherwise an extension would be a way round the
 * monthly limit.
 */
export async function renewKey(
  deps: LicencesDeps,
  licenceId: string,
  terms: Loose<Partial<Terms>>,
  by: By,
): Promise<Outcome<IssuedKey>> {
  return changeLicence(deps, licenceId, by, 'renew', async (client, { keys: [newest] }, nowMs) => {
    const next = { ...termsOf(newest), ...withoutUndefined(terms) };
    const made = await makeKey(client, licenceId, {
      generation: newest.generation + 1,
      madeBy: 'renew',
      terms: next,
      nowMs,
      fingerprint: newest.fingerprint,
      boundAt: newest.bound_at,
    });
    return { ok: true, value: await issued(client, made, nowMs, { ...by, action: 'renew' }) };
  });
}

/** Puts right what was issued wrong; servers take it up when they activate again. */
export async function correctLicence(
  deps: LicencesDeps,
  licenceId: string,
  change: Loose<Partial<Pick<Entitlements, 'organisation' | 'supportPolicy' | 'features'> & Terms>>,
  by: By,
): Promise<Outcome<LicenceView>> {
  return changeLicence(deps, licenceId, by, 'correct', async (client, { licence, keys: [newest] }, nowMs) => {
    const to = { ...entitlementsOf(licence, newest), ...withoutUndefined(change) };
    await client.query('UPDATE licence SET organisation = $2, support_policy = $3, features = $4 WHERE id = $1', [
      licenceId,
      to.organisation,
      to.supportPolicy,
      to.features,
    ]);
    await client.query(
      'UPDATE licence_key SET seat_limit = $2, support_until = $3, expires_at = $4 WHERE key_id = $1',
      [newest.key_id, to.seatLimit, to.supportUntil, to.expiresAt],
    );
    const detail = JSON.stringify(change);
    await writeAudit(client, nowMs, {
      ...by,
      action: 'correct',
      outcome: 'ok',
      licenceId,
      keyId: newest.key_id,
      detail,
    });
    const [view] = await viewsOf(client, [licenceId], nowMs);
    if (view === undefined) throw new Error(`licence ${licenceId} vanished while it was locked`);
    return { ok: true, value: view };
  });
}

/** Switches a key off for good: it activates nowhere again. */
export async function revokeKey(
  deps: LicencesDeps,
  keyId: string,
  reason: string,
  by: By,
): Promise<Outcome<{ keyId: string }>> {
  return transaction(deps.pool, async (client) => {
    const nowMs = await deps.now(client);
    const owner = await licenceOfKey(client, { keyId });
    if (owner === undefined) {
      return { ok: false, reason: 'KeyUnknown', detail: 'there is no key of that keyId; see GET /v1/licences' };
    }
    await lockLicence(client, owner.licenceId);
    await client.query(
      'UPDATE licence_key SET revoked_at = coalesce(revoked_at, $2), revoked_reason = coalesce(revoked_reason, $3) WHERE key_id = $1',
      [keyId, new Date(nowMs), reason],
    );
    const entry = { ...by, action: 'revoke', outcome: 'ok', licenceId: owner.licenceId, keyId, detail: reason };
    await writeAudit(client, nowMs, entry);
    return { ok: true, value: { keyId } };
  });
}

export interface LicenceView extends Entitlements {
  readonly regenerationsLeft: number;
  readonly regenerationsResetAt: string;
  /** Newest generation first. */
  readonly keys: readonly KeyView[];
}
export interface KeyView {
  readonly keyId: string;
  readonly generation: number;
  readonly madeBy: string;
  readonly madeAt?: string;
  readonly seatLimit: number;
  readonly supportUntil?: string;
  readonly expiresAt?: string;
  readonly fingerprint?: string;
  readonly boundAt?: string;
  readonly activatedAt?: string;
  readonly sequence: number;
  readonly cloneSuspectedAt?: string;
  readonly revokedAt?: string;
  readonly revokedReason?: string;
}

/** Licences in the order of their ids, after `after`; by organisation or by one of their keys. */
export async function listLicences(
  deps: LicencesDeps,
  of: { organisation?: string | undefined; keyId?: string | undefined; after?: string | undefined; limit: number },
): Promise<LicenceView[]> {
  return transaction(deps.pool, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `SELECT id FROM licence l WHERE ($1::text IS NULL OR organisation = $1) AND ($2::text IS NULL OR id > $2)
         AND ($3::text IS NULL OR EXISTS (SELECT FROM licence_key k WHERE k.licence_id = l.id AND k.key_id = $3))
       ORDER BY id LIMIT $4`,
      [of.organisation, of.after, of.keyId, of.limit],
    );
    return viewsOf(
      client,
      rows.map((r) => r.id),
      await deps.now(client),
    );
  });
}

async function viewsOf(client: Client, ids: readonly string[], nowMs: number): Promise<LicenceView[]> {
  const { rows } = await client.query<LicenceRow>('SELECT * FROM licence WHERE id = ANY($1) ORDER BY id', [ids]);
  const keys = Map.groupBy(await keysOf(client, ids), (k) => k.licence_id);
  const views: LicenceView[] = [];
  for (const licence of rows) {
    const own = keys.get(licence.id) ?? [];
    const [newest] = own;
    if (newest === undefined) continue;
    const budget = await budgetOf(client, licence.id, nowMs);
    views.push({
      ...entitlementsOf(licence, newest),
      regenerationsLeft: budget.left,
      regenerationsResetAt: budget.resetAt,
      keys: own.map(keyView),
    });
  }
  return views;
}

const keyView = (k: KeyRow): KeyView => ({
  keyId: k.key_id,
  generation: k.generation,
  madeBy: k.made_by,
  ...momentIf('madeAt', k.made_at),
  seatLimit: k.seat_limit,
  ...momentIf('supportUntil', k.support_until),
  ...momentIf('expiresAt', k.expires_at),
  ...(k.fingerprint === null ? {} : { fingerprint: k.fingerprint }),
  ...momentIf('boundAt', k.bound_at),
  ...momentIf('activatedAt', k.activated_at),
  sequence: k.sequence,
  ...momentIf('cloneSuspectedAt', k.clone_suspected_at),
  ...momentIf('revokedAt', k.revoked_at),
  ...(k.revoked_reason === null ? {} : { revokedReason: k.revoked_reason }),
});

interface Held {
  readonly licence: LicenceRow;
  readonly keys: readonly [KeyRow, ...KeyRow[]];
}

/** Runs a change on a locked licence; a refusal is noted in the audit too. */
async function changeLicence<T>(
  deps: LicencesDeps,
  licenceId: string,
  by: By,
  action: string,
  change: (client: Client, held: Held, nowMs: number) => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  return transaction(deps.pool, async (client) => {
    const licence = await lockLicence(client, licenceId);
    // Read after the lock: whoever waited must see what the one before has done, in the month in which it runs.
    const nowMs = await deps.now(client);
    const [newest, ...older] = await keysOf(client, [licenceId]);
    const foreign = by.organisation !== undefined && licence?.organisation !== by.organisation;
    if (licence === undefined || newest === undefined || foreign) {
      return { ok: false, reason: 'LicenceUnknown', detail: 'there is no such licence; see GET /v1/licences' };
    }
    const outcome = await change(client, { licence, keys: [newest, ...older] }, nowMs);
    if (!outcome.ok) await writeAudit(client, nowMs, { ...by, action, outcome: outcome.reason, licenceId });
    return outcome;
  });
}

interface NewKey {
  readonly generation: number;
  readonly madeBy: KeyRow['made_by'];
  readonly terms: Terms;
  readonly nowMs: number;
  readonly fingerprint?: string | null;
  readonly boundAt?: Date | null;
}

async function makeKey(client: Client, licenceId: string, k: NewKey) {
  const key = createKey(randomBytes(keyRandomBytes));
  const keyId = keyIdOf(key);
  await client.query(
    `INSERT INTO licence_key (key_id, key_hash, licence_id, generation, made_by, made_at, seat_limit, support_until,
       expires_at, fingerprint, bound_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
    [
      keyId,
      hashOfKey(key),
      licenceId,
      k.generation,
      k.madeBy,
      new Date(k.nowMs),
      k.terms.seatLimit,
      k.terms.supportUntil,
      k.terms.expiresAt,
      k.fingerprint,
      k.boundAt,
    ],
  );
  return { licenceId, key, keyId, generation: k.generation };
}

async function issued(
  client: Client,
  made: { licenceId: string; key: string; keyId: string; generation: number },
  nowMs: number,
  entry: Pick<AuditEntry, 'actor' | 'action' | 'detail'>,
): Promise<IssuedKey> {
  const { licenceId, keyId } = made;
  const { actor, action, detail } = entry;
  await writeAudit(client, nowMs, { actor, action, detail, outcome: 'ok', licenceId, keyId });
  const budget = await budgetOf(client, licenceId, nowMs);
  return { ...made, regenerationsLeft: budget.left, regenerationsResetAt: budget.resetAt };
}

const termsOf = (k: KeyRow): Terms => ({
  seatLimit: k.seat_limit,
  ...momentIf('supportUntil', k.support_until),
  ...momentIf('expiresAt', k.expires_at),
});

const withoutUndefined = <T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
