import { writeAudit } from '../audit.ts';
import type { Answer } from './answer.ts';
import { type Asking, whoOf } from './asking.ts';
import { countAttempt } from './attempts.ts';
import type { CabinetDeps } from './cabinet.ts';
import { withdrawInvitations } from './invitations.ts';
import { hashPassword, isPassword } from './password.ts';
import { findPerson } from './people.ts';
import { wrongPassword } from './secondFactor.ts';
import { endSessions } from './sessions.ts';

/** Another password, by the present one; all other sessions of the person end, and links to set a password open nothing more. */
export async function changePassword(
  deps: CabinetDeps,
  asking: Asking,
  { present, next }: { readonly present: string; readonly next: string },
): Promise<Answer<object>> {
  const limited = await countAttempt(deps, [{ what: 'account', who: `password ${asking.person.id}` }]);
  if (limited !== undefined) return { ok: false, problem: limited };
  const known = await deps.transact((client) => findPerson(client, asking.person));
  if (!(await isPassword(present, known?.password_hash ?? undefined))) return wrongPassword;
  const hash = await hashPassword(next);
  return deps.transact(async (client) => {
    const nowMs = await deps.now(client);
    await client.query('UPDATE person SET password_hash = $2 WHERE id = $1', [asking.person.id, hash]);
    await endSessions(client, asking.person.id, asking.tokenHash);
    await withdrawInvitations(client, asking.person.email, nowMs);
    await writeAudit(client, nowMs, { ...whoOf(asking), action: 'change-password', outcome: 'ok' });
    return { ok: true, value: {} };
  });
}
