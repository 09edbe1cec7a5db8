import { randomBytes } from 'node:crypto';
import { momentOf } from '../../licence/moment.ts';
import { type Who, writeAudit } from '../audit.ts';
import type { Client } from '../database.ts';
import { organisationFor, organisationOf } from '../organisations.ts';
import { type Answer, refused } from './answer.ts';
import { actorOf } from './asking.ts';
import { countAttempt } from './attempts.ts';
import type { CabinetDeps } from './cabinet.ts';
import { hashPassword } from './password.ts';
import { addPerson, emailOf, findPerson, personOf } from './people.ts';
import { dropSecondFactor } from './secondFactor.ts';
import { endSessions, hashOfToken, newToken, openSession } from './sessions.ts';
import type { SignedIn } from './signIn.ts';

/** One-time links by which people come in, and set another password. The vendor hands them out; the authority sends no mail. */

interface InvitationRow {
  id: string;
  email: string;
  organisation_id: string | null;
  organisation: string | null;
  person_id: string | null;
  invited_by: string;
  created_at: Date;
  expires_at: Date;
}
const columns = `i.id, i.email, i.organisation_id, i.person_id, i.invited_by, i.created_at, i.expires_at,
  (SELECT min(name) FROM organisation_name n WHERE n.organisation_id = i.organisation_id) AS organisation`;
const isOpen = 'i.used_at IS NULL AND i.withdrawn_at IS NULL';

export interface NewInvitation {
  readonly invitationId: string;
  /** For the link; shown once. */
  readonly token: string;
  readonly email: string;
  readonly expiresAt: string;
}

/** To whom: one of the vendor's own people, or somebody of an organisation, which a new name makes. */
export type Invited =
  | { readonly role: 'vendor' }
  | {
      readonly role: 'customer';
      readonly organisation?: string | undefined;
      readonly organisationId?: string | undefined;
    };

/** Invites somebody who is not known yet. */
export async function invite(
  deps: CabinetDeps,
  { email: given, ...to }: Invited & { readonly email: string },
  by: Who,
): Promise<Answer<NewInvitation>> {
  const email = emailOf(given);
  return deps.transact(async (client) => {
    const nowMs = await deps.now(client);
    if ((await findPerson(client, { email })) !== undefined) {
      const detail = `${email} has an account already; make a link to set a new password instead`;
      return refused(409, 'PersonKnown', detail);
    }
    let organisation: string | null = null;
    if (to.role === 'customer') {
      if (to.organisation !== undefined) {
        const found = await organisationFor(client, to.organisation, to.organisationId, nowMs);
        if (!found.ok) return refused(found.reason === 'OrganisationUnknown' ? 404 : 409, found.reason, found.detail);
        organisation = found.id;
      } else {
        organisation = (await organisationOf(client, to.organisationId ?? '')) ?? null;
        if (organisation === null) {
          const detail = `there is no organisation ${to.organisationId}; see GET /v1/organisations`;
          return refused(404, 'OrganisationUnknown', detail);
        }
      }
    }
    return { ok: true, value: await make(client, deps, { email, organisation, personId: null }, by, nowMs) };
  });
}

/** A link by which somebody who is known sets a new password; the second factor goes with the old one. */
export async function inviteAgain(deps: CabinetDeps, personId: string, by: Who): Promise<Answer<NewInvitation>> {
  return deps.transact(async (client) => {
    const nowMs = await deps.now(client);
    const row = await findPerson(client, { id: personId }, true);
    if (row === undefined) return noSuchPerson;
    const of = { email: row.email, organisation: row.organisation_id, personId };
    return { ok: true, value: await make(client, deps, of, by, nowMs) };
  });
}

async function make(
  client: Client,
  { invitationMs }: CabinetDeps,
  of: { readonly email: string; readonly organisation: string | null; readonly personId: string | null },
  by: Who,
  nowMs: number,
): Promise<NewInvitation> {
  const id = `inv-${randomBytes(8).toString('hex')}`;
  const token = newToken();
  const expires = new Date(nowMs + invitationMs);
  // an earlier link to the same person opens nothing any more
  await withdrawInvitations(client, of.email, nowMs);
  await client.query(
    `INSERT INTO invitation (id, token_hash, email, organisation_id, person_id, invited_by, created_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [id, hashOfToken(token), of.email, of.organisation, of.personId, by.person ?? by.actor, new Date(nowMs), expires],
  );
  await writeAudit(client, nowMs, {
    by,
    action: of.personId === null ? 'invite' : 'invite-again',
    outcome: 'ok',
    organisationId: of.organisation ?? undefined,
    detail: of.email,
  });
  return { invitationId: id, token, email: of.email, expiresAt: momentOf(expires.getTime()) };
}

/** Takes back every link to somebody. */
export const withdrawInvitations = (client: Client, email: string, nowMs: number) =>
  client.query(`UPDATE invitation i SET withdrawn_at = $2 WHERE email = $1 AND ${isOpen}`, [email, new Date(nowMs)]);

/** Those that can still be accepted, the newest first. */
export async function listInvitations({ transact, now }: CabinetDeps) {
  return transact(async (client) => {
    const { rows } = await client.query<InvitationRow>(
      `SELECT ${columns} FROM invitation i WHERE ${isOpen} AND i.expires_at > $1 ORDER BY i.created_at DESC LIMIT 1000`,
      [new Date(await now(client))],
    );
    return rows.map((row) => ({ ...invitationView(row), invitationId: row.id, invitedBy: row.invited_by }));
  });
}

const invitationView = (row: InvitationRow) => ({
  email: row.email,
  role: row.organisation_id === null ? 'vendor' : 'customer',
  ...(row.organisation_id === null ? {} : { organisationId: row.organisation_id }),
  ...(row.organisation === null ? {} : { organisation: row.organisation }),
  isKnown: row.person_id !== null,
  expiresAt: momentOf(row.expires_at.getTime()),
});

/** Takes an invitation back. */
export async function withdrawInvitation(deps: CabinetDeps, id: string, by: Who): Promise<Answer<object>> {
  return deps.transact(async (client) => {
    const nowMs = await deps.now(client);
    const { rows } = await client.query<{ email: string; organisation_id: string | null }>(
      `UPDATE invitation i SET withdrawn_at = $2 WHERE id = $1 AND ${isOpen} RETURNING email, organisation_id`,
      [id, new Date(nowMs)],
    );
    const [row] = rows;
    if (row === undefined) return refused(404, 'InvitationUnknown', 'there is no such invitation that is open');
    const organisationId = row.organisation_id ?? undefined;
    const entry = { by, action: 'withdraw-invitation', outcome: 'ok', organisationId, detail: row.email };
    await writeAudit(client, nowMs, entry);
    return { ok: true, value: {} };
  });
}

/** Whom an invitation is for. */
export async function lookAtInvitation(deps: CabinetDeps, token: string, address: string) {
  const limited = await countAttempt(deps, [{ what: 'address', who: address }]);
  if (limited !== undefined) return { ok: false, problem: limited } as const;
  return deps.transact(async (client) => {
    const row = await openInvitation(client, hashOfToken(token), await deps.now(client));
    return row === undefined ? notOpen : ({ ok: true, value: invitationView(row) } as const);
  });
}

/** Comes in by an invitation with a password of one's own; answers a session. */
export async function acceptInvitation(
  deps: CabinetDeps,
  request: { readonly token: string; readonly name: string; readonly password: string },
  address: string,
): Promise<Answer<SignedIn>> {
  const limited = await countAttempt(deps, [{ what: 'address', who: address }]);
  if (limited !== undefined) return { ok: false, problem: limited };
  const tokenHash = hashOfToken(request.token);
  const isThere = await deps.transact(async (c) => openInvitation(c, tokenHash, await deps.now(c)));
  if (isThere === undefined) return notOpen;
  const passwordHash = await hashPassword(request.password);
  return deps.transact((client) => comeIn(client, deps, tokenHash, { name: request.name, passwordHash }, address));
}

/**
 * Uses an invitation up: makes the person, or gives one who is known the new password, and signs in.
 * @param as without a password: the identity provider's name is noted by the caller
 */
export async function comeIn(
  client: Client,
  deps: CabinetDeps,
  tokenHash: Buffer,
  as: { readonly name: string; readonly passwordHash: string | null },
  address: string,
): Promise<Answer<SignedIn>> {
  const nowMs = await deps.now(client);
  const invitation = await openInvitation(client, tokenHash, nowMs, true);
  if (invitation === undefined) return notOpen;
  const { email, organisation_id: organisation, person_id: knownId } = invitation;
  let row = knownId === null ? undefined : await findPerson(client, { id: knownId }, true);
  if (row === undefined) {
    if ((await findPerson(client, { email })) !== undefined) return notOpen;
    row = await addPerson(client, { email, name: as.name, organisation, passwordHash: as.passwordHash }, nowMs);
  } else if (as.passwordHash !== null) {
    await client.query('UPDATE person SET name = $2, password_hash = $3, disabled_at = NULL WHERE id = $1', [
      row.id,
      as.name,
      as.passwordHash,
    ]);
    await dropSecondFactor(client, row.id);
    await endSessions(client, row.id);
  }
  await client.query('UPDATE invitation SET used_at = $2 WHERE id = $1', [invitation.id, new Date(nowMs)]);
  await writeAudit(client, nowMs, {
    by: { actor: actorOf(organisation ?? undefined), person: email, address },
    action: 'accept-invitation',
    outcome: 'ok',
    organisationId: organisation ?? undefined,
  });
  const token = await openSession(client, row.id, nowMs, address);
  const person = (await findPerson(client, { id: row.id })) ?? row;
  return { ok: true, value: { token, person: personOf(person) } };
}

async function openInvitation(client: Client, tokenHash: Buffer, nowMs: number, lock = false) {
  const { rows } = await client.query<InvitationRow>(
    `SELECT ${columns} FROM invitation i WHERE i.token_hash = $1 AND ${isOpen} AND i.expires_at > $2${lock ? ' FOR UPDATE OF i' : ''}`,
    [tokenHash, new Date(nowMs)],
  );
  return rows[0];
}

/** Shuts somebody out, at once and everywhere; what they did stays in the audit. */
export async function disablePerson(deps: CabinetDeps, personId: string, by: Who): Promise<Answer<object>> {
  return deps.transact(async (client) => {
    const nowMs = await deps.now(client);
    const row = await findPerson(client, { id: personId }, true);
    if (row === undefined) return noSuchPerson;
    if (row.email === by.person) return refused(409, 'PersonSelf', 'nobody shuts themselves out; ask a colleague');
    await client.query('UPDATE person SET disabled_at = coalesce(disabled_at, $2) WHERE id = $1', [
      personId,
      new Date(nowMs),
    ]);
    await endSessions(client, personId);
    const organisationId = row.organisation_id ?? undefined;
    await writeAudit(client, nowMs, { by, action: 'disable-person', outcome: 'ok', organisationId, detail: row.email });
    return { ok: true, value: {} };
  });
}

const noSuchPerson = refused(404, 'PersonUnknown', 'there is no such person; see GET /v1/people');
export const notOpen = refused(
  410,
  'InvitationNotOpen',
  'this link was used, withdrawn or is too old; ask the vendor for a new one',
);
