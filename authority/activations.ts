import { createActivation } from '../licence/activation.ts';
import type { ActivationCheckResponse, ActivationRequest, ActivationResponse } from '../licence/authorityWire.ts';
import { parseKey } from '../licence/key.ts';
import type { KeyFault } from '../licence/keyFaults.ts';
import { momentOf } from '../licence/moment.ts';
import { writeAudit } from './audit.ts';
import { type By, hashOfKey, isForeign, type LicencesDeps } from './changeLicence.ts';
import type { Client } from './database.ts';
import { type ClonePolicy, cloneSuspected, copied, decideActivation, nextSequence } from './decideActivation.ts';
import { budgetOf, entitlementsOf, type KeyRow, keyState, keysOf, licenceOfKey, lockLicence } from './licenceRows.ts';
import { type Freshness, proofFault } from './proof.ts';
import type { SigningKeys } from './signingKeys.ts';

export type ActivationOutcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly fault: KeyFault };

export interface ActivationsDeps extends LicencesDeps {
  readonly signingKeys: SigningKeys;
  readonly clonePolicy: ClonePolicy;
  /** An activation showed a copy. */
  readonly onClone: (outcome: 'reported' | 'refused') => void;
}

/** Binds a key to the computer that asks, or confirms that it is. Each success is one more in the key's sequence. */
export async function activate(
  deps: ActivationsDeps,
  request: ActivationRequest,
  freshness: Freshness,
  by: By,
): Promise<ActivationOutcome<ActivationResponse>> {
  return judged(deps, request, freshness, by, async (client, j) => {
    const { fingerprint } = request;
    const entry = { by, action: 'activate', licenceId: j.licence.id, keyId: j.key.key_id, fingerprint };
    const said = `continues ${request.sequence}, issued ${j.key.sequence}`;
    if (j.fault !== undefined) {
      await writeAudit(client, j.nowMs, { ...entry, outcome: j.fault.reason, detail: said });
      if (j.clone) {
        const at = new Date(j.nowMs);
        await client.query('UPDATE licence_key SET clone_suspected_at = $2 WHERE key_id = $1', [j.key.key_id, at]);
        deps.onClone('refused');
      }
      return { ok: false, fault: j.fault };
    }
    const { clone } = j;
    if (clone) deps.onClone('reported');
    const sequence = nextSequence(j.key, request.sequence);
    const putBack = request.sequence > j.key.sequence ? `; knew of ${j.key.sequence}: put back from a backup` : '';
    await client.query(
      `UPDATE licence_key SET fingerprint = $2, bound_at = coalesce(bound_at, $3), activated_at = $3, sequence = $4,
         continued_sequence = $5, clone_suspected_at = CASE WHEN $6 THEN $3 ELSE clone_suspected_at END, pardoned = false
       WHERE key_id = $1`,
      [j.key.key_id, fingerprint, new Date(j.nowMs), sequence, request.sequence, clone],
    );
    await writeAudit(client, j.nowMs, {
      ...entry,
      outcome: clone ? 'CloneSuspected' : 'ok',
      detail: clone ? `${said}; issued ${sequence}` : `continues ${request.sequence}, issued ${sequence}${putBack}`,
    });
    const { kid, privateKey } = deps.signingKeys.active();
    const activation = createActivation(
      {
        keyId: j.key.key_id,
        generation: j.key.generation,
        fingerprint,
        serverPublicKey: request.publicKey,
        issuedAt: momentOf(j.nowMs),
        sequence,
        entitlements: entitlementsOf(j.licence, j.key),
      },
      kid,
      privateKey,
    );
    return { ok: true, value: { activation, ...j.budget, ...(clone ? { cloneSuspected: true } : {}) } };
  });
}

/** What `activate` would answer, without changing anything. */
export async function checkActivation(
  deps: ActivationsDeps,
  request: ActivationRequest,
  freshness: Freshness,
): Promise<ActivationOutcome<ActivationCheckResponse>> {
  return judged(deps, request, freshness, servers, async (_client, { key, licence, fault, budget }) => {
    if (fault !== undefined) return { ok: false, fault };
    const { key_id: keyId, generation } = key;
    return { ok: true, value: { keyId, generation, entitlements: entitlementsOf(licence, key), ...budget } };
  });
}

interface Judged {
  readonly nowMs: number;
  readonly licence: NonNullable<Awaited<ReturnType<typeof lockLicence>>>;
  readonly key: KeyRow;
  readonly fault: KeyFault | undefined;
  /** The request shows a copy; that is the fault if the policy refuses it. */
  readonly clone: boolean;
  readonly budget: { readonly regenerationsLeft: number; readonly regenerationsResetAt: string };
}

/** Form and proof first, then the licence is locked and judged, then `then` acts in the same transaction. */
async function judged<T>(
  deps: ActivationsDeps,
  request: ActivationRequest,
  freshness: Freshness,
  by: By,
  then: (client: Client, judged: Judged) => Promise<ActivationOutcome<T>>,
): Promise<ActivationOutcome<T>> {
  const parsed = parseKey(request.key);
  if (!parsed.ok) return { ok: false, fault: { reason: parsed.reason, message: parsed.message } };
  await deps.signingKeys.reload();
  return deps.transact(async (client) => {
    const invalid = proofFault(request, await deps.now(client), freshness);
    if (invalid !== undefined) return { ok: false, fault: invalid };
    const owner = await licenceOfKey(client, { hash: hashOfKey(parsed.key) });
    if (owner === undefined) return { ok: false, fault: unknown };
    const licence = await lockLicence(client, owner.licenceId);
    const nowMs = await deps.now(client);
    const keys = await keysOf(client, [owner.licenceId]);
    const key = keys.find((k) => k.key_id === owner.keyId);
    if (licence === undefined || key === undefined) return { ok: false, fault: unknown };
    if (await isForeign(client, licence, by)) return { ok: false, fault: unknown };
    const others = keys.filter((k) => k !== key).map(keyState);
    const decision = decideActivation(keyState(key), others, request.fingerprint);
    const clone = decision.ok && cloneSuspected(keyState(key), request.sequence);
    const refused = clone && deps.clonePolicy === 'refuse' ? copied : undefined;
    const budget = await budgetOf(client, licence.id, nowMs);
    return then(client, {
      nowMs,
      licence,
      key,
      fault: decision.ok ? refused : decision.fault,
      clone,
      budget: { regenerationsLeft: budget.left, regenerationsResetAt: budget.resetAt },
    });
  });
}

/** Who shows a key for a computer of its own: the two are the credentials. */
export const servers = { actor: 'server', isVendor: false } as const;

const unknown: KeyFault = {
  reason: 'KeyUnknown',
  message: 'this authority has never issued such a key; compare it with the original and check the authority',
};
