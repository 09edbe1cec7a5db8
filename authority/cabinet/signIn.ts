import { writeAudit } from '../audit.ts';
import { type Answer, refused } from './answer.ts';
import { actorOf } from './asking.ts';
import { countAttempt, forgiveAttempts } from './attempts.ts';
import type { CabinetDeps } from './cabinet.ts';
import { hashPassword, isOutdated, isPassword } from './password.ts';
import { emailOf, findPerson, type Person, personOf } from './people.ts';
import { takeCode, wrongCode } from './secondFactor.ts';
import { openSession, pruneSessions } from './sessions.ts';

export interface SignInRequest {
  readonly email: string;
  readonly password: string;
  /** Of the second factor, or a recovery code. */
  readonly code?: string | undefined;
}
export interface SignedIn {
  /** For the cookie. */
  readonly token: string;
  readonly person: Person;
}

/**
 * Signs in by e-mail and password, and by a code where the person wants one. Somebody unknown, disabled, or without a password is
 * refused in the same words, after the same work, as somebody with another password: nobody learns who has an account.
 */
export async function signIn(deps: CabinetDeps, request: SignInRequest, address: string): Promise<Answer<SignedIn>> {
  const email = emailOf(request.email);
  const ofAccount = [
    { what: 'account', who: `${email} ${address}` },
    { what: 'anywhere', who: email },
  ] as const;
  const limited = await countAttempt(deps, [...ofAccount, { what: 'address', who: address }]);
  if (limited !== undefined) return { ok: false, problem: limited };

  const known = await deps.transact((client) => findPerson(client, { email }));
  const isRight = await isPassword(request.password, known?.password_hash ?? undefined);
  const renewed =
    isRight && known?.password_hash && isOutdated(known.password_hash)
      ? await hashPassword(request.password)
      : undefined;

  return deps.transact(async (client): Promise<Answer<SignedIn>> => {
    const nowMs = await deps.now(client);
    // read again and held: it may have been disabled, or its password changed, while the hash was made
    const row = await findPerson(client, { email }, true);
    const entry = (outcome: string) =>
      writeAudit(client, nowMs, {
        by: { actor: row === undefined ? 'nobody' : actorOf(row.organisation_id ?? undefined), person: email, address },
        action: 'sign-in',
        outcome,
        organisationId: row?.organisation_id ?? undefined,
      });
    const same = row?.password_hash === known?.password_hash && row?.disabled_at === null;
    if (row === undefined || !isRight || !same) {
      await entry(wrong.problem.reason);
      return wrong;
    }
    if (row.totp_secret !== null) {
      if (request.code === undefined) return codeMissing;
      if (!(await takeCode(client, deps.secrets, row, request.code, nowMs))) {
        await entry(wrongCode.problem.reason);
        return wrongCode;
      }
    }
    if (renewed !== undefined) {
      await client.query('UPDATE person SET password_hash = $2 WHERE id = $1', [row.id, renewed]);
    }
    const token = await openSession(client, row.id, nowMs, address);
    await entry('ok');
    await pruneSessions(client, nowMs, deps.sessionTimes);
    await forgiveAttempts(client, ofAccount);
    return { ok: true, value: { token, person: personOf(row) } };
  });
}

const wrong = refused(
  401,
  'SignInRefused',
  'e-mail and password do not belong together; try again, or ask the vendor for a link to set a new password',
);
const codeMissing = refused(401, 'CodeMissing', 'the password is right; send the code of the authenticator app, too');
