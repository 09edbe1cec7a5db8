import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ActivationResponse, IssuedKey } from '../../../licence/authorityWire.ts';
import { AnswerJudge, type Operation as AnswersOf } from '../../chaos/support/openapi.ts';
import { createComputer, startAuthority, type TestAuthority, tokens } from '../../support/authority.ts';
import { dereferenced } from '../../support/dereferenced.ts';

let authority: TestAuthority;
beforeAll(async () => {
  authority = await startAuthority();
});
afterAll(() => authority.end());

const activate = async (computer: ReturnType<typeof createComputer>, key: string, sequence = 0, at = authority) => {
  const request = computer.request(key, sequence);
  const { body } = await at.call<ActivationResponse & { reason?: string; detail?: string }>(
    'POST',
    '/v1/activations',
    request,
    '',
  );
  return body;
};
const post = (path: string, body: unknown, token: string = tokens.vendor) => authority.call('POST', path, body, token);
const patch = (licenceId: string, body: unknown) => authority.call('PATCH', `/v1/licences/${licenceId}`, body);
const sequenceOf = (activation: string): number =>
  JSON.parse(Buffer.from(activation.split('.')[1] ?? '', 'base64url').toString()).sequence;

describe('whatever is sent', () => {
  interface Schema {
    readonly type?: string | readonly string[];
    readonly enum?: readonly unknown[];
    readonly anyOf?: readonly Schema[];
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly required?: readonly string[];
    readonly items?: Schema;
    readonly format?: string;
    readonly minimum?: number;
    readonly maximum?: number;
  }
  interface Operation {
    readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
    readonly operationId: string;
    readonly requestBody?: { readonly content: { readonly 'application/json': { readonly schema: Schema } } };
    readonly responses: unknown;
  }
  const nasty = [
    '\u0000',
    'a\u0000b',
    '\ud800',
    '',
    ' ',
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
    '9999-12-31T23:59:59.9999999Z',
    `2027-06-30T20:59:59.${'0'.repeat(200)}Z`,
    '2027-02-30T00:00:00Z',
    '-1',
    '1e308',
    '9223372036854775808',
    'x'.repeat(3_000),
    '%00',
    '../..',
    "'; --",
    '𝕏'.repeat(100),
  ];
  const deep = (depth: number, text: string) => text.repeat(depth);
  const odd = fc.oneof(
    fc.constantFrom<unknown>(...nasty, null, true, 1e308, -1, 0.5, 2 ** 31, 2 ** 53, [], {}, [[[[]]]], {
      a: { b: {} },
    }),
    fc.jsonValue({ maxDepth: 3 }),
  );
  /** Mostly what fits, or so it seems. */
  const fitting = (schema: Schema): fc.Arbitrary<unknown> => {
    if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(fitting));
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
    const [type] = [schema.type ?? 'null'].flat();
    if (type === 'object') {
      const members = Object.entries(schema.properties ?? {}).map(([name, s]) => [name, value(s)] as const);
      const requiredKeys = [...(schema.required ?? [])] as never[];
      return fc.record(Object.fromEntries(members), { requiredKeys });
    }
    if (type === 'array') return fc.array(value(schema.items ?? {}), { maxLength: 3 });
    if (type === 'boolean') return fc.boolean();
    if (type === 'integer' || type === 'number') {
      return fc.oneof(
        fc.maxSafeInteger(),
        fc.integer({ min: schema.minimum ?? -5, max: Math.min(schema.maximum ?? 5, 2 ** 31) }),
      );
    }
    if (schema.format === 'date-time') {
      return fc.date({ noInvalidDate: true }).map((at) => at.toISOString());
    }
    return type === 'string' ? fc.string({ unit: 'binary', maxLength: 60 }) : fc.constant(null);
  };
  const value = (schema: Schema): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: 5, arbitrary: fitting(schema) }, { weight: 1, arbitrary: odd });

  it('to any route is answered as the document says, never by a fault of the authority', async () => {
    const { paths } = dereferenced((await authority.http.inject({ url: '/openapi.json' })).json()) as {
      paths: Record<string, Record<string, Operation>>;
    };
    const known = await authority.issue();
    const { kid } = authority.signingKeys.active();
    const operations = Object.entries(paths).flatMap(([path, of]) =>
      Object.entries(of).map(([method, operation]) => ({ path, method, operation })),
    );
    const routes = operations.map((o) => `${o.method} ${o.path}`);
    expect(routes).toEqual(
      expect.arrayContaining(['post /v1/licences', 'post /v1/keys/{keyId}:revoke', 'get /v1/audit']),
    );
    expect(routes.length).toBeGreaterThan(20);

    const judge = new AnswerJudge();
    const succeeded = new Set<string>();
    const faults: string[] = [];
    for (const { path, method, operation } of operations) {
      const parameters = operation.parameters ?? [];
      const names: Record<string, string> = { licenceId: known.licenceId, keyId: known.keyId, kid };
      const inPath = (name: string) =>
        fc.oneof(
          fc.constant(names[name] ?? ''),
          fc.constantFrom(...nasty),
          fc.string({ unit: 'binary', maxLength: 20 }),
        );
      const asked = fc.record({
        path: fc.record(
          Object.fromEntries(parameters.filter((p) => p.in === 'path').map((p) => [p.name, inPath(p.name)])),
        ),
        query: fc.record(
          Object.fromEntries(
            parameters.filter((p) => p.in === 'query').map((p) => [p.name, value(p.schema).map((v) => String(v))]),
          ),
          { requiredKeys: [] },
        ),
        body: fc.option(value(operation.requestBody?.content['application/json'].schema ?? {}), { nil: undefined }),
      });
      await fc.assert(
        fc.asyncProperty(asked, async ({ path: at, query, body }) => {
          const url = Object.entries(at).reduce(
            (text, [name, v]) => text.replace(`{${name}}`, encodeURIComponent(v.toWellFormed())),
            path,
          );
          const search = new URLSearchParams(query as Record<string, string>).toString();
          const answer = await authority.http.inject({
            method: method.toUpperCase() as 'POST',
            url: search === '' ? url : `${url}?${search}`,
            headers: { authorization: `Bearer ${tokens.vendor}`, 'content-type': 'application/json' },
            ...(method === 'get' ? {} : { payload: JSON.stringify(body) ?? '' }),
          });
          const type = String(answer.headers['content-type'] ?? '');
          const fault = judge.fault(operation as AnswersOf, answer.statusCode, type, answer.body);
          if (answer.statusCode < 300) succeeded.add(operation.operationId);
          if (answer.statusCode < 500 && fault === undefined) return;
          faults.push(`${method} ${url}?${search} ${JSON.stringify(body)}: ${answer.statusCode}, ${fault}`);
          throw new Error(faults.at(-1));
        }),
        { numRuns: 60, seed: 7 },
      );
    }
    expect(faults).toEqual([]);
    expect([...succeeded]).toEqual(
      expect.arrayContaining(['listLicences', 'keyAllowance', 'signingKeySet', 'listAudit']),
    );
  }, 180_000);

  it('the answers of a licence from its sale to its end are as the document says', async () => {
    const { paths } = dereferenced((await authority.http.inject({ url: '/openapi.json' })).json()) as {
      paths: Record<string, Record<string, AnswersOf>>;
    };
    const judge = new AnswerJudge();
    const seen: unknown[] = [];
    const step = async (method: 'POST' | 'PATCH' | 'GET', route: string, names: object, payload?: unknown) => {
      const url = Object.entries(names).reduce((path, [name, value]) => path.replace(`{${name}}`, value), route);
      const headers = {
        authorization: `Bearer ${tokens.vendor}`,
        ...(payload ? { 'content-type': 'application/json' } : {}),
      };
      const {
        statusCode,
        headers: got,
        body,
      } = await authority.http.inject({
        method,
        url,
        headers,
        ...(payload === undefined ? {} : { payload: JSON.stringify(payload) }),
      });
      const operation = paths[route]?.[method.toLowerCase()];
      if (operation === undefined) throw new Error(`the document has no ${method} ${route}`);
      seen.push([route, statusCode < 300, judge.fault(operation, statusCode, String(got['content-type']), body)]);
      return JSON.parse(body);
    };
    const sold = { organisation: 'From sale to end', product: 'erp', seatLimit: 3, expiresAt: '2099-01-01T00:00:00Z' };
    const { licenceId, key, keyId } = await step('POST', '/v1/licences', {}, { ...sold, features: ['a'] });
    const computer = createComputer();
    await step('POST', '/v1/activations:check', {}, computer.request(key, 0));
    await step('POST', '/v1/activations', {}, computer.request(key, 0));
    await step('PATCH', '/v1/licences/{licenceId}', { licenceId }, { seatLimit: 5 });
    await step('POST', '/v1/licences/{licenceId}/renewals', { licenceId }, { seatLimit: 6 });
    await step('GET', '/v1/keys/{keyId}', { keyId });
    const renewed = await step('POST', '/v1/keys/{keyId}:renew', { keyId }, {});
    const newest = await step('POST', '/v1/keys/{keyId}:regenerate', { keyId: renewed.keyId }, {});
    await step('POST', '/v1/activations:respond', {}, computer.request(newest.key, 0));
    await step('GET', '/v1/licences', {});
    await step('POST', '/v1/keys/{keyId}:revoke', { keyId: newest.keyId }, { reason: 'x' });
    await step('POST', '/v1/licences/{licenceId}:revoke', { licenceId }, { reason: 'x' });
    await step('POST', '/v1/signing-keys', {});
    await step('GET', '/v1/signing-keys', {});
    await step('GET', '/.well-known/jwks.json', {});
    await step('GET', '/v1/audit', {});
    expect(seen).toEqual(seen.map((one) => [(one as string[])[0], true, undefined]));
  });

  it.each([
    ['a document without end', deep(20_000, '['), 400],
    ['arrays in arrays, closed', `${deep(20_000, '[')}${deep(20_000, ']')}`, 400],
    ['objects in objects', `${deep(8_000, '{"a":')}1${deep(8_000, '}')}`, 400],
    ['a number beyond all numbers', '{"organisation":"Romashka","product":"erp","seatLimit":1e999}', 400],
    ['what is no text', Buffer.from([0xff, 0xfe, 0x00]), 400],
  ])('%s is refused', async (_, payload, status) => {
    const answer = await authority.http.inject({
      method: 'POST',
      url: '/v1/licences',
      headers: { authorization: `Bearer ${tokens.vendor}`, 'content-type': 'application/json' },
      payload,
    });
    expect(answer.statusCode).toBe(status);
  });

  it.each([
    ['GET', '/v1/licences?organisation=%00', undefined],
    ['GET', '/v1/keys/a%00', undefined],
    ['GET', '/v1/audit?licenceId=%00', undefined],
    ['GET', '/v1/audit?before=1e300', undefined],
    ['POST', '/v1/keys/000000000000:revoke', { reason: 'a\u0000b' }],
    ['POST', '/v1/licences', { organisation: 'a\u0000b', product: 'erp', seatLimit: 1 }],
    ['POST', '/v1/licences', { organisation: 'a', product: 'erp', seatLimit: 1, features: ['\u0000'] }],
    ['POST', '/v1/licences', { organisation: 'a', product: 'erp', seatLimit: 1, expiresAt: '0000-01-01T00:00:00Z' }],
  ] as const)('%s %s with what no database keeps is wrong input', async (method, url, body) => {
    expect((await authority.call(method, url, body)).status).toBe(400);
  });
});

describe('an authority that was put back from a backup', () => {
  it.each(['report', 'refuse'] as const)('goes on from what its servers have (policy: %s)', async (clonePolicy) => {
    const restored = await startAuthority({ clonePolicy });
    try {
      const computer = createComputer();
      const { key, keyId } = await restored.issue();
      for (const sequence of [0, 1, 2, 3]) await activate(computer, key, sequence, restored);
      await restored.pool.query('UPDATE licence_key SET sequence = 1, continued_sequence = 0 WHERE key_id = $1', [
        keyId,
      ]);
      const again = await activate(computer, key, 4, restored);
      expect(again.reason).toBeUndefined();
      expect([sequenceOf(again.activation), again.cloneSuspected]).toEqual([5, undefined]);
      const { body } = await restored.call<{ entries: { detail: string }[] }>('GET', '/v1/audit?limit=1');
      expect(body.entries[0]?.detail).toContain('put back from a backup');
      // from here on a copy shows again
      expect((await activate(computer, key, 3, restored)).cloneSuspected ?? 'refused').toBe(
        clonePolicy === 'report' ? true : 'refused',
      );
    } finally {
      await restored.end();
    }
  });
});

describe('a revoked licence', () => {
  const twoKeys = async () => {
    const computer = createComputer();
    const first = await authority.issue();
    await activate(computer, first.key);
    const { body: second } = await post(`/v1/licences/${first.licenceId}:regenerate`, {});
    return { computer, first, second: second as unknown as IssuedKey };
  };

  it('does not come back by an older key of the same computer', async () => {
    const { computer, first, second } = await twoKeys();
    expect((await activate(computer, first.key, 1)).reason).toBeUndefined();
    await post(`/v1/keys/${second.keyId}:revoke`, { reason: 'chargeback' });
    const refused = await activate(computer, first.key, 2);
    expect(refused).toMatchObject({ reason: 'KeyRevoked', detail: expect.stringContaining('generation 2') });
    expect((await activate(createComputer(), second.key)).reason).toBe('KeyRevoked');
    const { body } = await authority.call('GET', `/v1/licences?keyId=${first.keyId}`);
    expect(body).toMatchObject({
      licences: [{ revokedAt: expect.any(String), keys: [{ madeBy: 'regenerate' }, { madeBy: 'issue' }] }],
    });
    expect((await authority.call('GET', `/v1/keys/${first.keyId}`)).body).toMatchObject({
      madeBy: 'issue',
      newestMadeBy: 'regenerate',
      newestRevokedAt: expect.any(String),
    });
    // The vendor may go on with it all the same.
    const { body: third } = await post(`/v1/licences/${first.licenceId}:regenerate`, {});
    expect((await activate(computer, String(third.key))).reason).toBeUndefined();
  });

  it('is switched off as a whole by its own id, by the vendor alone', async () => {
    const { computer, first, second } = await twoKeys();
    const url = `/v1/licences/${first.licenceId}:revoke`;
    expect((await post(url, { reason: 'mine' }, tokens.romashka)).status).toBe(403);
    expect(await post(url, { reason: 'chargeback' })).toMatchObject({
      status: 200,
      body: { licenceId: first.licenceId, keyIds: [second.keyId, first.keyId] },
    });
    for (const { key } of [first, second]) expect((await activate(computer, key, 1)).reason).toBe('KeyRevoked');
    expect((await post('/v1/licences/lic-none:revoke', { reason: 'x' })).status).toBe(404);
  });
});

describe('an organisation', () => {
  const seenBy = async (token: string) => {
    const { body } = await authority.call<{ licences: { licenceId: string; organisation: string }[] }>(
      'GET',
      '/v1/licences?limit=500',
      undefined,
      token,
    );
    return body.licences;
  };

  it('is still seen by its token when its name is put right, and so is what is issued to it afterwards', async () => {
    const { licenceId } = await authority.issue();
    expect((await patch(licenceId, { organisation: 'Romashka LLC' })).status).toBe(200);
    const next = await authority.issue({ organisation: 'Romashka LLC' });
    const seen = await seenBy(tokens.romashka);
    expect(seen.find((l) => l.licenceId === licenceId)?.organisation).toBe('Romashka LLC');
    expect(seen.map((l) => l.licenceId)).toContain(next.licenceId);
  });

  it('gets a licence that was issued under a wrong name, by the right one or by its id', async () => {
    const mine = await authority.issue();
    const other = await authority.issue({ organisation: 'Vasilek' });
    const [{ organisationId } = { organisationId: '' }] = (
      await authority.call<{ licences: { organisationId: string }[] }>('GET', '/v1/licences?organisation=Vasilek')
    ).body.licences;
    expect(organisationId).toMatch(/^org-[0-9a-f]{16}$/);
    const misnamed = await patch(mine.licenceId, { organisation: 'Romashka', organisationId });
    expect(misnamed).toMatchObject({ status: 409, body: { reason: 'OrganisationTaken' } });
    const third = await authority.issue({ organisation: 'Vasilyok' });
    expect((await patch(third.licenceId, { organisation: 'Vasilek & Co', organisationId })).status).toBe(200);
    expect((await patch(mine.licenceId, { organisation: 'Vasilek' })).status).toBe(200);
    expect((await seenBy(tokens.romashka)).map((l) => l.licenceId)).not.toContain(mine.licenceId);
    const byId = await authority.call<{ licences: { licenceId: string }[] }>(
      'GET',
      `/v1/licences?organisation=${organisationId}`,
    );
    expect(byId.body.licences.map((l) => l.licenceId).toSorted()).toEqual(
      [mine.licenceId, other.licenceId, third.licenceId].toSorted(),
    );
    const unknown = { organisation: 'Nobody', organisationId: 'org-0000000000000000' };
    expect((await patch(mine.licenceId, unknown)).body.reason).toBe('OrganisationUnknown');
  });

  it('is made once, however many licences of it are issued at the same time', async () => {
    await Promise.all(Array.from({ length: 8 }, () => authority.issue({ organisation: 'Side by side' })));
    const { rows } = await authority.pool.query(
      "SELECT DISTINCT organisation_id FROM licence WHERE organisation = 'Side by side'",
    );
    expect(rows).toHaveLength(1);
  });
});

describe('an end', () => {
  const inYears = (n: number) => new Date(Date.now() + n * 365 * 86_400_000).toISOString();

  it('that has passed is refused unless it is meant', async () => {
    const past = { organisation: 'Romashka', product: 'erp', seatLimit: 1, expiresAt: inYears(-1) };
    expect(await post('/v1/licences', past)).toMatchObject({ status: 409, body: { reason: 'TermsPast' } });
    expect((await post('/v1/licences', { ...past, force: true })).status).toBe(201);
  });

  it('is not shortened unless that is meant, and can be taken away', async () => {
    const { licenceId } = await authority.issue({ expiresAt: inYears(3) });
    const shorter = { expiresAt: inYears(2) };
    for (const answer of [
      await patch(licenceId, shorter),
      await post(`/v1/licences/${licenceId}/renewals`, shorter),
      await post(`/v1/licences/${licenceId}:renew`, shorter),
    ]) {
      expect(answer).toMatchObject({ status: 409, body: { reason: 'TermsShorter' } });
    }
    expect((await patch(licenceId, { ...shorter, force: true })).body.expiresAt).toBe(
      `${shorter.expiresAt.slice(0, 19)}Z`,
    );
    const perpetual = await patch(licenceId, { expiresAt: null });
    expect([perpetual.status, perpetual.body.expiresAt]).toEqual([200, undefined]);
    // what is perpetual would lose by an extension
    expect((await post(`/v1/licences/${licenceId}/renewals`, { expiresAt: inYears(9) })).body.reason).toBe(
      'TermsShorter',
    );
  });

  it('at the last moment that there is, however finely it is said, stays there, wherever it is named', async () => {
    const last = { expiresAt: '9999-12-31T23:59:59.9999999Z', supportUntil: `9999-12-31T23:59:59.${'9'.repeat(200)}Z` };
    const kept = { expiresAt: '9999-12-31T23:59:59Z', supportUntil: '9999-12-31T23:59:59Z' };
    const first = await authority.issue(last);
    const corrected = await authority.issue({ expiresAt: inYears(1) });
    expect(await patch(corrected.licenceId, last)).toMatchObject({ status: 200, body: kept });
    const renewed = await authority.issue({ expiresAt: inYears(1) });
    expect((await post(`/v1/licences/${renewed.licenceId}/renewals`, last)).status).toBe(201);
    const { body: second } = await post(`/v1/licences/${renewed.licenceId}:renew`, undefined);
    for (const key of [first.key, corrected.key, String(second.key)]) {
      const { activation } = await activate(createComputer(), key);
      const { entitlements } = JSON.parse(Buffer.from(activation.split('.')[1] ?? '', 'base64url').toString());
      expect(entitlements).toMatchObject(kept);
    }
  });

  it('that a renewal has gained is said with its key', async () => {
    const supportUntil = '2031-01-01T00:00:00Z';
    const { licenceId } = await authority.issue();
    await post(`/v1/licences/${licenceId}/renewals`, { supportUntil, seatLimit: 70 });
    const { body } = await post(`/v1/licences/${licenceId}:renew`, undefined, tokens.romashka);
    expect(body).toMatchObject({ generation: 2, supportUntil, seatLimit: 70 });
  });
});

describe('the audit', () => {
  it('says from where and with which token a customer acted, and never the token', async () => {
    const { keyId } = await authority.issue();
    await post(`/v1/keys/${keyId}:regenerate`, {}, tokens.romashka);
    const { body } = await authority.call('GET', '/v1/audit?limit=1');
    expect(body).toMatchObject({
      entries: [{ actor: 'customer Romashka', address: '127.0.0.1', token: expect.stringMatching(/^[0-9a-f]{12}$/) }],
    });
    expect(JSON.stringify(body)).not.toContain(tokens.romashka);
  });

  it('is read to its beginning in pages', async () => {
    const { licenceId } = await authority.issue();
    for (let n = 0; n < 4; n++) await patch(licenceId, { seatLimit: 10 + n });
    const seen: number[] = [];
    let before = '';
    do {
      const { body } = await authority.call<{ entries: { id: number }[]; before?: number }>(
        'GET',
        `/v1/audit?licenceId=${licenceId}&limit=2${before}`,
      );
      seen.push(...body.entries.map((e) => e.id));
      before = body.before === undefined ? '' : `&before=${body.before}`;
    } while (before !== '');
    expect(seen).toHaveLength(5);
    expect(seen).toEqual(seen.toSorted((a, b) => b - a));
  });
});

it('signing keys that are added at the same time are all kept', async () => {
  const before = authority.signingKeys.list().length;
  const added = await Promise.all(Array.from({ length: 6 }, () => post('/v1/signing-keys', {})));
  expect(added.map((a) => a.status)).toEqual(Array(6).fill(201));
  const kids = authority.signingKeys.list().map((k) => k.kid);
  expect(kids).toHaveLength(before + 6);
  expect(kids).toEqual(expect.arrayContaining(added.map((a) => a.body.kid)));
});

it('metrics are for who has their token, and name routes as people write them', async () => {
  const metrics = (token?: string) =>
    authority.http.inject({
      url: '/metrics',
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
  expect((await metrics()).statusCode).toBe(401);
  expect((await metrics(tokens.customer)).statusCode).toBe(403);
  const { licenceId } = await authority.issue();
  await post(`/v1/licences/${licenceId}:regenerate`, {});
  const { statusCode, body } = await metrics(tokens.metrics);
  expect(statusCode).toBe(200);
  expect(body).toContain('licence_authority_requests_total{route="/v1/licences/:licenceId:regenerate",status="201"}');
  expect(body).not.toContain('[^');
  expect((await authority.call('GET', '/v1/licences', undefined, tokens.metrics)).status).toBe(403);
});
