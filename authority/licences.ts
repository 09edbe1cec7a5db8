import { randomBytes } from 'node:crypto';
import type { IssuedKey, IssueRequest, RenewalTerms } from '../licence/authorityWire.ts';
import { symbolsOf, textOf } from '../licence/crockford.ts';
import type { BorrowTerms, Entitlements } from '../licence/entitlements.ts';
import { type Assignment, type CountBy, reassignAfter, type SupportPolicy } from '../licence/words.ts';
import { ProblemError } from '../runtime/problem.ts';
import { writeAudit } from './audit.ts';
import {
  type By,
  changeLicence,
  issued,
  type LicencesDeps,
  type Loose,
  makeKey,
  noSuchKey,
  type Terms,
  termsOf,
  withoutUndefined,
} from './changeLicence.ts';
import type { Client } from './database.ts';
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
import type { Forced } from './newKeys.ts';
import { organisationFor, organisationOf } from './organisations.ts';
import type { Outcome } from './refusal.ts';
import { waitingRenewal } from './renewals.ts';
import { doubtful, keptEnd, type NamedEnds } from './terms.ts';

/** Licences and their keys. A key's text leaves here once, when it is made; the database keeps its hash. */

/** Issues a licence with its first key. */
export async function issueLicence(
  deps: LicencesDeps,
  { force, ...request }: Loose<IssueRequest> & Pick<IssueRequest, 'organisation'> & Terms & Forced,
  by: By,
): Promise<Outcome<IssuedKey>> {
  return deps.transact(async (client) => {
    const nowMs = await deps.now(client);
    const doubt = force ? undefined : doubtful(request, undefined, nowMs);
    if (doubt !== undefined) return doubt;
    const buyer = await organisationFor(client, request.organisation, request.organisationId, nowMs);
    if (!buyer.ok) return buyer;
    const id = `lic-${textOf(symbolsOf(randomBytes(10))).toLowerCase()}`;
    await client.query(
      `INSERT INTO licence (id, organisation, product, support_policy, features, created_at, organisation_id, count_by, overdraft_seats, weights, borrow, reassign_after_days)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
      [
        id,
        request.organisation,
        request.product,
        request.supportPolicy ?? 'warn',
        request.features ?? [],
        new Date(nowMs),
        buyer.id,
        request.countBy ?? (request.assignment === 'named' ? 'user' : 'session'),
        request.overdraftSeats ?? 0,
        keptWeights(request.weights),
        keptBorrow(request.borrow),
        keptNaming(request),
      ],
    );
    const made = await makeKey(client, id, { generation: 1, madeBy: 'issue', terms: request, nowMs });
    return { ok: true, value: await issued(client, made, nowMs, { by, action: 'issue' }) };
  });
}

/** What says nothing is not kept: an activation without it has another spelling than one with it. */
function keptWeights(weights: Readonly<Record<string, number>> | undefined): string | null {
  const all = Object.entries(weights ?? {}).filter(([, weight]) => weight > 1);
  return all.length === 0 ? null : JSON.stringify(Object.fromEntries(all));
}
const keptBorrow = (borrow: BorrowTerms | undefined): string | null =>
  borrow === undefined || borrow.maxHours === 0 ? null : JSON.stringify(borrow);

/** Of named users the days that a seat is a person's; null: seats are whoever's. */
const keptNaming = ({ assignment, reassignAfterDays }: Naming): number | null =>
  assignment === 'named' ? (reassignAfterDays ?? reassignAfter.default) : null;

interface Naming {
  readonly assignment?: Assignment | undefined;
  readonly reassignAfterDays?: number | undefined;
}

/** What is put right. An end that is null is taken away. */
export interface Correction extends NamedEnds, Forced, Naming {
  /** The right name: that of a known organisation, or else a new name of the one that has the licence. */
  readonly organisation?: string | undefined;
  readonly organisationId?: string | undefined;
  readonly seatLimit?: number | undefined;
  readonly supportPolicy?: SupportPolicy | undefined;
  readonly features?: readonly string[] | undefined;
  readonly countBy?: CountBy | undefined;
  readonly overdraftSeats?: number | undefined;
  readonly weights?: Readonly<Record<string, number>> | undefined;
  readonly borrow?: BorrowTerms | undefined;
}

/** Puts right what was issued wrong; servers take it up when they activate again. */
export async function correctLicence(
  deps: LicencesDeps,
  licenceId: string,
  { force, ...change }: Correction,
  by: By,
): Promise<Outcome<LicenceView>> {
  return changeLicence(deps, { licenceId }, by, 'correct', async (client, { licence, keys: [newest] }, nowMs) => {
    const doubt = force ? undefined : doubtful(change, termsOf(newest), nowMs);
    if (doubt !== undefined) return doubt;
    const to = { ...entitlementsOf(licence, newest), ...withoutUndefined(change) };
    const countBy = to.countBy ?? (to.assignment === 'named' ? 'user' : 'session');
    if (to.assignment === 'named' && countBy !== 'user') {
      const detail = 'seats of named users are counted by user; correct countBy with it, or take the assignment away';
      throw new ProblemError({ status: 400, reason: 'InvalidRequest', detail });
    }
    let buyer = licence.organisation_id;
    if (change.organisation !== undefined) {
      // a name that is known is that organisation's; a new one is another name of the same
      const meant = change.organisationId ?? (await organisationOf(client, change.organisation)) ?? buyer;
      const named = await organisationFor(client, change.organisation, meant, nowMs);
      if (!named.ok) return named;
      buyer = named.id;
    }
    await client.query(
      `UPDATE licence SET organisation = $2, support_policy = $3, features = $4, organisation_id = $5, count_by = $6, overdraft_seats = $7, weights = $8, borrow = $9, reassign_after_days = $10
        WHERE id = $1`,
      [
        licenceId,
        to.organisation,
        to.supportPolicy,
        to.features,
        buyer,
        countBy,
        to.overdraftSeats ?? 0,
        keptWeights(to.weights),
        keptBorrow(to.borrow),
        keptNaming(to),
      ],
    );
    await client.query(
      'UPDATE licence_key SET seat_limit = $2, support_until = $3, expires_at = $4 WHERE key_id = $1',
      [newest.key_id, to.seatLimit, keptEnd(to.supportUntil), keptEnd(to.expiresAt)],
    );
    const detail = JSON.stringify(change);
    await writeAudit(client, nowMs, {
      by,
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

/** Switches a whole licence off for good: none of its keys activates anywhere again. */
export const revokeLicence = (deps: LicencesDeps, licenceId: string, reason: string, by: By) =>
  changeLicence(deps, { licenceId }, by, 'revoke', async (client, { keys }, nowMs) => {
    await client.query(
      `UPDATE licence_key SET revoked_at = coalesce(revoked_at, $2), revoked_reason = coalesce(revoked_reason, $3)
       WHERE licence_id = $1`,
      [licenceId, new Date(nowMs), reason],
    );
    await writeAudit(client, nowMs, { by, action: 'revoke', outcome: 'ok', licenceId, detail: reason });
    return { ok: true, value: { licenceId, keyIds: keys.map((k) => k.key_id) } };
  });

/** Switches a key off for good: it activates nowhere again. That of the newest key shuts the older ones too. */
export const revokeKey = (deps: LicencesDeps, keyId: string, reason: string, by: By) =>
  markKey(deps, keyId, { action: 'revoke', reason, by }, (client, at) =>
    client.query(
      `UPDATE licence_key SET revoked_at = coalesce(revoked_at, $2), revoked_reason = coalesce(revoked_reason, $3)
       WHERE key_id = $1`,
      [keyId, at, reason],
    ),
  );

/** The copy that was suspected is dealt with: the next activation may go on from anywhere, and nothing is suspected. */
export const pardonKey = (deps: LicencesDeps, keyId: string, reason: string, by: By) =>
  markKey(deps, keyId, { action: 'pardon', reason, by }, (client) =>
    client.query('UPDATE licence_key SET pardoned = true, clone_suspected_at = NULL WHERE key_id = $1', [keyId]),
  );

async function markKey(
  deps: LicencesDeps,
  keyId: string,
  { action, reason, by }: { readonly action: string; readonly reason: string; readonly by: By },
  mark: (client: Client, at: Date) => Promise<unknown>,
): Promise<Outcome<{ keyId: string }>> {
  return deps.transact(async (client) => {
    const nowMs = await deps.now(client);
    const owner = await licenceOfKey(client, { keyId });
    if (owner === undefined) return noSuchKey;
    await lockLicence(client, owner.licenceId);
    await mark(client, new Date(nowMs));
    const entry = { by, action, outcome: 'ok', licenceId: owner.licenceId, keyId, detail: reason };
    await writeAudit(client, nowMs, entry);
    return { ok: true, value: { keyId } };
  });
}

export interface LicenceView extends Entitlements {
  readonly organisationId: string;
  /** When the newest key was revoked: nothing of the licence activates since. */
  readonly revokedAt?: string;
  readonly regenerationsLeft: number;
  readonly regenerationsResetAt: string;
  /** What is paid for and waits to be taken. */
  readonly renewal?: RenewalTerms;
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

/** Licences in the order of their ids, after `after`; by organisation, by one of their keys, or those with a suspected copy. */
export async function listLicences(
  deps: LicencesDeps,
  of: {
    organisation?: string | undefined;
    keyId?: string | undefined;
    suspected?: boolean | undefined;
    after?: string | undefined;
    limit: number;
  },
): Promise<LicenceView[]> {
  return deps.transact(async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `SELECT id FROM licence l WHERE ($1::text IS NULL OR organisation_id = $1
           OR organisation_id = (SELECT organisation_id FROM organisation_name WHERE name = $1)) AND ($2::text IS NULL OR id > $2)
         AND ($3::text IS NULL OR EXISTS (SELECT FROM licence_key k WHERE k.licence_id = l.id AND k.key_id = $3))
         AND (NOT $5 OR EXISTS (SELECT FROM licence_key k WHERE k.licence_id = l.id AND k.clone_suspected_at IS NOT NULL))
       ORDER BY id LIMIT $4`,
      [of.organisation, of.after, of.keyId, of.limit, of.suspected ?? false],
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
    const renewal = await waitingRenewal(client, licence.id);
    views.push({
      ...entitlementsOf(licence, newest),
      organisationId: licence.organisation_id,
      ...momentIf('revokedAt', newest.revoked_at),
      regenerationsLeft: budget.left,
      regenerationsResetAt: budget.resetAt,
      ...(renewal === undefined ? {} : { renewal }),
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
