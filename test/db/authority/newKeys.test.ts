import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answersKeptMs } from '../../../authority/idempotency.ts';
import { readActivation } from '../../../licence/activation.ts';
import {
  allowanceCall,
  readAllowance,
  readIssuedKey,
  regenerateCall,
  renewCall,
} from '../../../licence/authorityCalls.ts';
import type { ActivationResponse, IssuedKey } from '../../../licence/authorityWire.ts';
import { momentOf } from '../../../licence/moment.ts';
import { monthStart } from '../../../licence/regenerationBudget.ts';
import { createComputer, startAuthority, type TestAuthority, tokens } from '../../support/authority.ts';

let authority: TestAuthority;
beforeAll(async () => {
  authority = await startAuthority();
});
afterAll(() => authority.end());

type Call = ReturnType<typeof allowanceCall>;
/** Sends a call as it was made, token and all, and answers what came back. */
const send = async ({ method, path, headers, body }: Call) => {
  const {
    status,
    body: answer,
    headers: said,
  } = await authority.call<unknown>(method, path, body === undefined ? undefined : JSON.parse(body), '', headers);
  return { status, body: answer, replayed: said['idempotent-replayed'] === 'true' };
};
let intentions = 0;
/** As random as a test needs it. */
const intention = () => `intention-${++intentions}-of-this-test`;
const allowance = async (keyId: string, token: string = tokens.romashka) =>
  readAllowance(await send(allowanceCall(keyId, token)));
const regenerate = async (keyId: string, id = intention(), token: string = tokens.romashka) =>
  readIssuedKey(await send(regenerateCall(keyId, token, id)));
const renew = async (keyId: string, id = intention(), token: string = tokens.romashka) =>
  readIssuedKey(await send(renewCall(keyId, token, id)));
const made = async (answer: ReturnType<typeof regenerate>): Promise<IssuedKey> => {
  const known = await answer;
  if (!known.ok) throw new Error(known.message);
  return known.answer;
};
const grant = (licenceId: string, terms: object) =>
  authority.call('POST', `/v1/licences/${licenceId}/renewals`, { ...terms, reference: 'order 17' });
const activate = async (computer: ReturnType<typeof createComputer>, key: string) => {
  const { body } = await authority.call<ActivationResponse & { reason?: string }>(
    'POST',
    '/v1/activations',
    computer.request(key),
    '',
  );
  return body.reason ?? readActivation(body.activation)?.entitlements;
};
const keysMade = async (licenceId: string) => {
  const { rows } = await authority.pool.query('SELECT 1 FROM licence_key WHERE licence_id = $1', [licenceId]);
  return rows.length;
};

describe("a customer's own key", () => {
  it('shows what is left before anything is spent, and is regenerated three times a month', async () => {
    const first = await authority.issue();
    const resetAt = momentOf(monthStart(Date.now(), 1));
    let { keyId } = first;
    for (const left of [3, 2, 1]) {
      expect(await allowance(keyId)).toMatchObject({
        ok: true,
        answer: {
          licenceId: first.licenceId,
          newestKeyId: keyId,
          regenerationsLeft: left,
          regenerationsResetAt: resetAt,
        },
      });
      const next = await made(regenerate(keyId));
      expect(next.regenerationsLeft).toBe(left - 1);
      keyId = next.keyId;
    }
    expect(await regenerate(keyId)).toEqual({
      ok: false,
      reason: 'RegenerationLimit',
      message: expect.stringContaining(resetAt),
      resetAt,
    });
    expect(await allowance(keyId)).toMatchObject({ answer: { regenerationsLeft: 0, regenerationsResetAt: resetAt } });
    expect(await keysMade(first.licenceId)).toBe(4);
  });

  it('is the only one that its token reaches', async () => {
    const other = await authority.issue({ organisation: 'Vasilek' });
    await grant(other.licenceId, { supportUntil: '2030-01-01T00:00:00Z' });
    for (const answer of [
      allowance(other.keyId),
      regenerate(other.keyId),
      renew(other.keyId),
      allowance('000000000000'),
    ]) {
      expect(await answer).toMatchObject({ ok: false, reason: 'KeyUnknown' });
    }
    expect(await keysMade(other.licenceId)).toBe(1);
    expect(await allowance(other.keyId, 'not-a-token')).toMatchObject({ ok: false, reason: 'TokenRefused' });
  });

  it('that is not the newest any more spends nothing', async () => {
    const first = await authority.issue();
    const second = await made(regenerate(first.keyId));
    expect(await regenerate(first.keyId)).toMatchObject({
      ok: false,
      reason: 'KeySuperseded',
      newestKeyId: second.keyId,
    });
    expect(await allowance(first.keyId)).toMatchObject({
      answer: { generation: 1, newestGeneration: 2, regenerationsLeft: 2 },
    });
  });

  it('that the vendor has revoked gets no successor but from the vendor', async () => {
    const issued = await authority.issue();
    await grant(issued.licenceId, { supportUntil: '2030-01-01T00:00:00Z' });
    await authority.call('POST', `/v1/keys/${issued.keyId}:revoke`, { reason: 'not paid' });
    expect(await regenerate(issued.keyId)).toMatchObject({ ok: false, reason: 'KeyRevoked' });
    expect(await renew(issued.keyId)).toMatchObject({ ok: false, reason: 'KeyRevoked' });
    expect(await regenerate(issued.keyId, intention(), tokens.vendor)).toMatchObject({ ok: true });
  });
});

describe('a paid extension', () => {
  it('is shown, taken once by the customer as a key that prolongs, uncounted, on the same computer', async () => {
    const [home, away] = [createComputer(), createComputer()];
    const first = await authority.issue({ supportUntil: '2027-01-01T00:00:00Z', seatLimit: 5 });
    await activate(home, first.key);
    expect(await renew(first.keyId)).toMatchObject({ ok: false, reason: 'NothingToRenew' });
    expect((await grant(first.licenceId, { supportUntil: '2029-01-01T00:00:00Z' })).status).toBe(201);
    expect((await grant(first.licenceId, { supportUntil: '2028-01-01T00:00:00Z', seatLimit: 7 })).body).toMatchObject({
      renewal: { supportUntil: '2029-01-01T00:00:00Z', seatLimit: 7 },
    });
    expect(await allowance(first.keyId)).toMatchObject({
      answer: { renewal: { supportUntil: '2029-01-01T00:00:00Z', seatLimit: 7 } },
    });
    const second = await made(renew(first.keyId));
    expect(second).toMatchObject({ generation: 2, regenerationsLeft: 3 });
    expect(await renew(second.keyId)).toMatchObject({ ok: false, reason: 'NothingToRenew' });
    expect(await activate(away, second.key)).toBe('KeyBoundElsewhere');
    expect(await activate(home, second.key)).toMatchObject({ supportUntil: '2029-01-01T00:00:00Z', seatLimit: 7 });
    const { body } = await authority.call('GET', `/v1/audit?licenceId=${first.licenceId}`, undefined);
    expect(body).toMatchObject({
      entries: expect.arrayContaining([
        expect.objectContaining({ action: 'grant-renewal', actor: 'vendor', detail: 'order 17' }),
        expect.objectContaining({ action: 'renew', actor: 'customer Romashka', outcome: 'ok' }),
        expect.objectContaining({ action: 'renew', actor: 'customer Romashka', outcome: 'NothingToRenew' }),
      ]),
    });
  });

  it('never shortens a term, and its terms are named by the vendor alone', async () => {
    const issued = await authority.issue({ supportUntil: '2031-01-01T00:00:00Z' });
    const named = { supportUntil: '2040-01-01T00:00:00Z' };
    for (const url of [`/v1/keys/${issued.keyId}:renew`, `/v1/licences/${issued.licenceId}:renew`]) {
      expect(await authority.call('POST', url, named, tokens.romashka)).toMatchObject({
        status: 403,
        body: { reason: 'RoleMissing' },
      });
    }
    expect(
      (await authority.call('POST', `/v1/licences/${issued.licenceId}/renewals`, named, tokens.romashka)).status,
    ).toBe(403);
    expect((await grant(issued.licenceId, {})).status).toBe(400);
    const shorter = { supportUntil: '2030-01-01T00:00:00Z' };
    expect(await grant(issued.licenceId, shorter)).toMatchObject({ status: 409, body: { reason: 'TermsShorter' } });
    await grant(issued.licenceId, { ...shorter, force: true });
    const next = await made(renew(issued.keyId));
    expect(await activate(createComputer(), next.key)).toMatchObject({ supportUntil: '2031-01-01T00:00:00Z' });
  });
});

describe('a repeated request', () => {
  it('gets the lost answer again and spends nothing twice, even when ten arrive at once', async () => {
    const first = await authority.issue();
    const id = intention();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => send(regenerateCall(first.keyId, tokens.romashka, id))),
    );
    expect(new Set(answers.map((a) => JSON.stringify([a.status, a.body]))).size).toBe(1);
    expect(answers.map((a) => a.replayed).toSorted()).toEqual([false, ...Array(9).fill(true)]);
    expect(answers[0]).toMatchObject({ status: 201, body: { generation: 2, regenerationsLeft: 2 } });
    expect(await keysMade(first.licenceId)).toBe(2);
    // Still so when the key that it was made from is not the newest any more.
    await made(regenerate((await made(regenerate(first.keyId, id))).keyId));
    expect(await made(regenerate(first.keyId, id))).toMatchObject({ generation: 2 });
  });

  it('of a renewal, an issue and a grant does the same', async () => {
    const header = { 'idempotency-key': intention() };
    const request = { organisation: 'Romashka', product: 'erp', seatLimit: 3 };
    const issue = () => authority.call<IssuedKey>('POST', '/v1/licences', request, tokens.vendor, header);
    const [first, again] = [await issue(), await issue()];
    expect(again.body).toEqual(first.body);
    const { licenceId, keyId } = first.body;
    const granting = { 'idempotency-key': intention() };
    for (let n = 0; n < 2; n++) {
      const url = `/v1/licences/${licenceId}/renewals`;
      await authority.call('POST', url, { seatLimit: 9 }, tokens.vendor, granting);
    }
    const { rows } = await authority.pool.query('SELECT 1 FROM renewal WHERE licence_id = $1', [licenceId]);
    expect(rows).toHaveLength(1);
    const id = intention();
    expect(await made(renew(keyId, id))).toEqual(await made(renew(keyId, id)));
    expect(await keysMade(licenceId)).toBe(2);
  });

  it('is told apart from another request, and from that of another asker', async () => {
    const [mine, second] = [await authority.issue(), await authority.issue()];
    const id = intention();
    await made(regenerate(mine.keyId, id));
    expect(await regenerate(second.keyId, id)).toMatchObject({ ok: false, reason: 'IdempotencyKeyReused' });
    expect(await renew(mine.keyId, id)).toMatchObject({ ok: false, reason: 'IdempotencyKeyReused' });
    expect(await made(regenerate(second.keyId, id, tokens.vendor))).toMatchObject({ licenceId: second.licenceId });
    expect(await allowance(mine.keyId)).toMatchObject({ answer: { regenerationsLeft: 2 } });
  });

  it('after a refusal is judged anew', async () => {
    const { licenceId, keyId } = await authority.issue();
    const id = intention();
    expect(await renew(keyId, id)).toMatchObject({ reason: 'NothingToRenew' });
    await grant(licenceId, { seatLimit: 60 });
    expect(await renew(keyId, id)).toMatchObject({ ok: true, answer: { generation: 2 } });
  });

  it('is forgotten after a week, and until then no copy of the database gives the key away', async () => {
    const { keyId } = await authority.issue();
    const id = intention();
    const second = await made(regenerate(keyId, id));
    const kept = async () => (await authority.pool.query<{ answer: Buffer }>('SELECT answer FROM answered')).rows;
    for (const { answer } of await kept()) expect(answer.toString('latin1')).not.toContain(second.key);
    try {
      authority.setAhead(answersKeptMs - 60_000);
      expect(await made(regenerate(keyId, id))).toEqual(second);
      authority.setAhead(answersKeptMs + 60_000);
      expect(await regenerate(keyId, id)).toMatchObject({ reason: 'KeySuperseded' });
      await made(regenerate(second.keyId));
      expect(await kept()).toHaveLength(1); // what is old goes when something new comes
    } finally {
      authority.setAhead(0);
    }
  });

  it.each(['short', 'with a space in the middle', 'x'.repeat(201)])('by %s is refused', async (id) => {
    const { licenceId } = await authority.issue();
    const answer = await authority.call('POST', `/v1/licences/${licenceId}:regenerate`, {}, tokens.vendor, {
      'idempotency-key': id,
    });
    expect([answer.status, answer.body.reason]).toEqual([400, 'InvalidRequest']);
  });
});
