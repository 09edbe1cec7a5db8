import type { IssuedKey, KeyAllowance, RenewalTerms } from '../licence/authorityWire.ts';
import { writeAudit } from './audit.ts';
import {
  type By,
  changeLicence,
  isForeign,
  issued,
  type LicencesDeps,
  type Loose,
  makeKey,
  noSuchKey,
  type Target,
  type Terms,
  termsOf,
  withoutUndefined,
} from './changeLicence.ts';
import { budgetOf, keysOf, licenceOfKey, lockLicence, momentIf } from './licenceRows.ts';
import type { Outcome } from './refusal.ts';
import { addRenewal, takeRenewals, waitingRenewal } from './renewals.ts';
import { doubtful } from './terms.ts';

/** Further keys of a licence: after a loss or for a move (counted), and for an extension (paid for). */

/** That the vendor means ends which shorten something, or have passed. */
export interface Forced {
  readonly force?: boolean | undefined;
}

/** A new key of a licence, at most three a calendar month unless support allows another one. */
export async function regenerateKey(
  deps: LicencesDeps,
  target: Target,
  by: By & { readonly supportOverride?: string | undefined },
): Promise<Outcome<IssuedKey>> {
  return changeLicence(deps, target, by, 'regenerate', async (client, { licence: { id }, keys: [newest] }, nowMs) => {
    if (newest.revoked_at !== null && !by.isVendor) return revoked;
    const budget = await budgetOf(client, id, nowMs);
    if (budget.left === 0 && by.supportOverride === undefined) {
      return {
        ok: false,
        reason: 'RegenerationLimit',
        detail: `three new keys were made this month; the next one can be made at ${budget.resetAt}, or ask support`,
        resetAt: budget.resetAt,
      };
    }
    await client.query('INSERT INTO regeneration (licence_id, at, override_reason) VALUES ($1, $2, $3)', [
      id,
      new Date(nowMs),
      by.supportOverride,
    ]);
    const next = { generation: newest.generation + 1, madeBy: 'regenerate', terms: termsOf(newest), nowMs } as const;
    const made = await makeKey(client, id, next);
    return {
      ok: true,
      value: await issued(client, made, nowMs, { by, action: 'regenerate', detail: by.supportOverride }),
    };
  });
}

/**
 * A new key that prolongs: by what is paid for and waits, and, for the vendor, by the terms given. It stays on the computer
 * of the one before: otherwise an extension would be a way round the monthly limit.
 */
export async function renewKey(
  deps: LicencesDeps,
  target: Target,
  { force, ...terms }: Loose<RenewalTerms> & Forced,
  by: By,
): Promise<Outcome<IssuedKey>> {
  return changeLicence(deps, target, by, 'renew', async (client, { licence: { id }, keys: [newest] }, nowMs) => {
    if (newest.revoked_at !== null && !by.isVendor) return revoked;
    const doubt = force ? undefined : doubtful(terms, termsOf(newest), nowMs);
    if (doubt !== undefined) return doubt;
    const waiting = await waitingRenewal(client, id);
    if (waiting === undefined && !by.isVendor) {
      const detail = 'nothing is paid for that was not taken yet; buy an extension, or ask the vendor';
      return { ok: false, reason: 'NothingToRenew', detail };
    }
    const made = await makeKey(client, id, {
      generation: newest.generation + 1,
      madeBy: 'renew',
      terms: { ...prolonged(termsOf(newest), waiting), ...withoutUndefined(terms) },
      nowMs,
      fingerprint: newest.fingerprint,
      boundAt: newest.bound_at,
    });
    await takeRenewals(client, id, made.keyId, nowMs);
    return { ok: true, value: await issued(client, made, nowMs, { by, action: 'renew' }) };
  });
}

/** Notes an extension that is paid for; the customer takes it by `renewKey`. Answers all that waits now. */
export async function grantRenewal(
  deps: LicencesDeps,
  licenceId: string,
  { reference, force, ...terms }: Loose<RenewalTerms> & Forced & { readonly reference?: string | undefined },
  by: By,
): Promise<Outcome<{ licenceId: string; renewal: RenewalTerms }>> {
  return changeLicence(deps, { licenceId }, by, 'grant-renewal', async (client, { keys: [newest] }, nowMs) => {
    const doubt = force ? undefined : doubtful(terms, termsOf(newest), nowMs, true);
    if (doubt !== undefined) return doubt;
    await addRenewal(client, licenceId, withoutUndefined(terms), { reference, nowMs });
    const detail = reference ?? JSON.stringify(terms);
    await writeAudit(client, nowMs, { by, action: 'grant-renewal', outcome: 'ok', licenceId, detail });
    return { ok: true, value: { licenceId, renewal: (await waitingRenewal(client, licenceId)) ?? {} } };
  });
}

/** What may be done with a key; changes nothing. */
export async function keyAllowance(deps: LicencesDeps, keyId: string, by: By): Promise<Outcome<KeyAllowance>> {
  return deps.transact(async (client) => {
    const owner = await licenceOfKey(client, { keyId });
    const licence = owner && (await lockLicence(client, owner.licenceId));
    const keys = licence === undefined ? [] : await keysOf(client, [licence.id]);
    const [newest] = keys;
    const key = keys.find((k) => k.key_id === keyId);
    if (licence === undefined || newest === undefined || key === undefined) return noSuchKey;
    if (await isForeign(client, licence, by)) return noSuchKey;
    const budget = await budgetOf(client, licence.id, await deps.now(client));
    const renewal = await waitingRenewal(client, licence.id);
    return {
      ok: true,
      value: {
        licenceId: licence.id,
        organisation: licence.organisation,
        product: licence.product,
        keyId,
        generation: key.generation,
        newestKeyId: newest.key_id,
        newestGeneration: newest.generation,
        madeBy: key.made_by,
        newestMadeBy: newest.made_by,
        ...momentIf('revokedAt', key.revoked_at),
        ...momentIf('newestRevokedAt', newest.revoked_at),
        regenerationsLeft: budget.left,
        regenerationsResetAt: budget.resetAt,
        ...(renewal === undefined ? {} : { renewal }),
      },
    };
  });
}

const revoked = {
  ok: false,
  reason: 'KeyRevoked',
  detail: 'the vendor has revoked the newest key of this licence; ask the vendor',
} as const;

/** An extension never shortens a term that is longer already; what is paid for is no trial any more. */
const prolonged = (terms: Terms, by: RenewalTerms = {}): Terms => ({
  seatLimit: by.seatLimit ?? terms.seatLimit,
  ...later('supportUntil', terms, by),
  ...later('expiresAt', terms, by),
});
function later(end: 'supportUntil' | 'expiresAt', a: Terms, b: RenewalTerms): Partial<Terms> {
  const [at] = [a[end], b[end]].filter((m) => m !== undefined).toSorted((x, y) => Date.parse(y) - Date.parse(x));
  return at === undefined ? {} : { [end]: at };
}
