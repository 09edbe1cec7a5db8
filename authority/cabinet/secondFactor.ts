import { createHash, randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { symbolsOf, textOf } from '../../licence/crockford.ts';
import { writeAudit } from '../audit.ts';
import type { Client } from '../database.ts';
import { type Answer, refused } from './answer.ts';
import { type Asking, whoOf } from './asking.ts';
import { countAttempt } from './attempts.ts';
import type { CabinetDeps } from './cabinet.ts';
import { isPassword } from './password.ts';
import { findPerson, type PersonRow } from './people.ts';
import type { SecretBox } from './secretBox.ts';

/** The second factor: codes of an app (TOTP, RFC 6238), each good once, and recovery codes for who has lost it. */

const issuer = 'Licence cabinet';
const stepMs = 30_000;
const recoveryCodes = 10;

const totpOf = (secret: string, label: string) =>
  new TOTP({ issuer, label, secret: Secret.fromBase32(secret), algorithm: 'SHA1', digits: 6, period: stepMs / 1_000 });

/** The time step whose code it is, one step of difference either way; undefined: none. */
function stepOf(secret: string, code: string, nowMs: number): number | undefined {
  const delta = totpOf(secret, '').validate({ token: code.replaceAll(/\s/g, ''), timestamp: nowMs, window: 1 });
  return delta === null ? undefined : Math.floor(nowMs / stepMs) + delta;
}

/**
 * Whether a code, or a recovery code, opens the person's account; takes it, so that it opens it once.
 * @param person held by the transaction
 */
export async function takeCode(
  client: Client,
  secrets: SecretBox,
  person: PersonRow,
  code: string,
  nowMs: number,
): Promise<boolean> {
  if (person.totp_secret === null) return true;
  const step = stepOf(secrets.open(person.totp_secret, person.id), code, nowMs);
  if (step !== undefined) {
    if (step <= Number(person.totp_step)) return false;
    await client.query('UPDATE person SET totp_step = $2 WHERE id = $1', [person.id, step]);
    return true;
  }
  const taken = await client.query('DELETE FROM recovery_code WHERE person_id = $1 AND code_hash = $2', [
    person.id,
    hashOfCode(code),
  ]);
  return taken.rowCount === 1;
}

/** A secret for the person's app; it is asked for only once a code has shown that the app has it. */
export async function offerSecondFactor(
  { transact, secrets }: CabinetDeps,
  { person }: Asking,
): Promise<Answer<{ secret: string; uri: string }>> {
  return transact(async (client) => {
    const row = await findPerson(client, person, true);
    if (row === undefined || row.password_hash === null) return noPassword;
    if (row.totp_secret !== null) return already;
    const secret = new Secret({ size: 20 }).base32;
    await client.query('UPDATE person SET totp_offered = $2 WHERE id = $1', [row.id, secrets.close(secret, row.id)]);
    return { ok: true, value: { secret, uri: totpOf(secret, row.email).toString() } };
  });
}

/** Turns it on by a first code; answers the recovery codes, which are shown this once. */
export async function confirmSecondFactor(
  deps: CabinetDeps,
  asking: Asking,
  code: string,
): Promise<Answer<{ recoveryCodes: string[] }>> {
  const limited = await countAttempt(deps, [{ what: 'account', who: `code ${asking.person.id}` }]);
  if (limited !== undefined) return { ok: false, problem: limited };
  return deps.transact(async (client) => {
    const nowMs = await deps.now(client);
    const row = await findPerson(client, asking.person, true);
    if (row?.totp_secret) return already;
    if (row === undefined || row.totp_offered === null) {
      return refused(409, 'SecondFactorNotOffered', 'ask for a secret first, and add it to the app');
    }
    const step = stepOf(deps.secrets.open(row.totp_offered, row.id), code, nowMs);
    if (step === undefined) return wrongCode;
    await client.query(
      'UPDATE person SET totp_secret = totp_offered, totp_offered = NULL, totp_step = $2 WHERE id = $1',
      [row.id, step],
    );
    const codes = Array.from({ length: recoveryCodes }, newRecoveryCode);
    await client.query('DELETE FROM recovery_code WHERE person_id = $1', [row.id]);
    await client.query('INSERT INTO recovery_code (person_id, code_hash) SELECT $1, unnest($2::bytea[])', [
      row.id,
      codes.map(hashOfCode),
    ]);
    await writeAudit(client, nowMs, { ...whoOf(asking), action: 'turn-on-second-factor', outcome: 'ok' });
    return { ok: true, value: { recoveryCodes: codes } };
  });
}

/** Turns it off; asks for the password once more, since a browser may have been left open. */
export async function removeSecondFactor(deps: CabinetDeps, asking: Asking, password: string): Promise<Answer<object>> {
  const limited = await countAttempt(deps, [{ what: 'account', who: `password ${asking.person.id}` }]);
  if (limited !== undefined) return { ok: false, problem: limited };
  const known = await deps.transact((client) => findPerson(client, asking.person));
  if (!(await isPassword(password, known?.password_hash ?? undefined))) return wrongPassword;
  return deps.transact(async (client) => {
    const nowMs = await deps.now(client);
    await dropSecondFactor(client, asking.person.id);
    await writeAudit(client, nowMs, { ...whoOf(asking), action: 'turn-off-second-factor', outcome: 'ok' });
    return { ok: true, value: {} };
  });
}

export async function dropSecondFactor(client: Client, personId: string): Promise<void> {
  await client.query('UPDATE person SET totp_secret = NULL, totp_offered = NULL WHERE id = $1', [personId]);
  await client.query('DELETE FROM recovery_code WHERE person_id = $1', [personId]);
}

export const wrongCode = refused(401, 'CodeWrong', 'the code is wrong or was used already; wait for the next one');
export const wrongPassword = refused(403, 'PasswordWrong', 'the present password is not right');
const noPassword = refused(
  409,
  'NoPassword',
  'this account signs in by the identity provider: set the second factor there',
);
const already = refused(409, 'SecondFactorOn', 'a second factor is on already; turn it off first');

/** Sixteen symbols that cannot be mistaken for each other, in groups of four. */
const newRecoveryCode = (): string =>
  textOf(symbolsOf(randomBytes(10)))
    .match(/.{4}/g)
    ?.join('-') ?? '';
const hashOfCode = (code: string): Buffer =>
  createHash('sha256')
    .update(code.toUpperCase().replaceAll(/[^0-9A-Z]/g, ''))
    .digest();
