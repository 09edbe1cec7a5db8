import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IssuedKey } from '../../../../licence/authorityWire.ts';
import { createComputer, startAuthority, type TestAuthority, tokens } from '../../../support/authority.ts';
import { aPassword, comeIn, type Visitor } from '../../../support/cabinet.ts';

/** What stands in the place of each parameter and body: the other customer's. Built once there is one. */
interface Theirs {
  readonly issued: IssuedKey;
  readonly personId: string;
  readonly invitationId: string;
  readonly organisationId: string;
  readonly request: object;
}

/**
 * How each operation is asked for something of another customer's; the document of the authority says which there are, and one
 * without a line here fails the test. `own`: it only ever acts on who asks, or on nobody, and has nothing to name another by.
 */
const asked: Readonly<Record<string, 'own' | ((t: Theirs) => { query?: string; body?: unknown })>> = {
  live: 'own',
  ready: 'own',
  metrics: () => ({}),
  signingKeySet: 'own',
  signedKeySet: 'own',
  listSigningKeys: () => ({}),
  addSigningKey: () => ({}),
  activateSigningKey: () => ({}),
  withdrawSigningKey: () => ({}),
  issueLicence: (t) => ({
    body: { organisation: 'Vasilyok', organisationId: t.organisationId, product: 'erp', seatLimit: 9 },
  }),
  listLicences: (t) => ({ query: `?organisation=${t.organisationId}&keyId=${t.issued.keyId}` }),
  correctLicence: () => ({ body: { organisation: 'Romashka', seatLimit: 1 } }),
  regenerateKeyOfLicence: () => ({ body: {} }),
  regenerateKey: () => ({ body: {} }),
  renewKeyOfLicence: () => ({ body: {} }),
  renewKey: () => ({ body: {} }),
  grantRenewal: () => ({ body: { seatLimit: 99 } }),
  keyAllowance: () => ({}),
  revokeKey: () => ({ body: { reason: 'malice' } }),
  revokeLicence: () => ({ body: { reason: 'malice' } }),
  pardonKey: () => ({ body: { reason: 'malice' } }),
  // the key's text and the computer's signature are the credentials of these two: whoever has both is the server
  activate: 'own',
  checkActivation: 'own',
  respond: (t) => ({ body: t.request }),
  listAudit: (t) => ({ query: `?licenceId=${t.issued.licenceId}` }),
  showSession: 'own',
  signIn: 'own',
  lookAtInvitation: 'own',
  acceptInvitation: 'own',
  beginSignOn: 'own',
  endSignOn: 'own',
  signOut: 'own',
  signOutEverywhere: 'own',
  changePassword: 'own',
  offerSecondFactor: 'own',
  confirmSecondFactor: 'own',
  removeSecondFactor: 'own',
  listOrganisations: () => ({ query: '?name=vasil' }),
  listPeople: (t) => ({ query: `?organisationId=${t.organisationId}` }),
  disablePerson: () => ({ body: {} }),
  invitePersonAgain: () => ({ body: {} }),
  listInvitations: () => ({}),
  invite: (t) => ({ body: { email: 'mole@romashka.example', organisationId: t.organisationId } }),
  withdrawInvitation: () => ({}),
};

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { operationId: string; security?: unknown[] }>>>>;
}

describe('a person of one customer', () => {
  let authority: TestAuthority;
  let mallory: Visitor;
  let theirs: Theirs;
  let operations: { method: string; path: string; operationId: string }[];
  beforeAll(async () => {
    authority = await startAuthority();
    await authority.issue({ organisation: 'Romashka' });
    mallory = await comeIn(authority, 'mallory@romashka.example', 'Romashka');
    const issued = await authority.issue({ organisation: 'Vasilyok', product: 'secretproduct' });
    await authority.call('POST', `/v1/licences/${issued.licenceId}/renewals`, { seatLimit: 77 });
    await comeIn(authority, 'vera@vasilyok.example', 'Vasilyok');
    const people = await authority.call<{ people: { personId: string; email: string; organisationId: string }[] }>(
      'GET',
      '/v1/people',
    );
    const vera = people.body.people.find((p) => p.email === 'vera@vasilyok.example');
    const invited = await authority.call<{ invitationId: string }>('POST', '/v1/invitations', {
      email: 'new@vasilyok.example',
      organisation: 'Vasilyok',
    });
    theirs = {
      issued,
      personId: vera?.personId ?? '',
      organisationId: vera?.organisationId ?? '',
      invitationId: invited.body.invitationId,
      request: createComputer().request(issued.key),
    };
    const document = (await authority.http.inject({ url: '/openapi.json' })).json<Document>();
    operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId }]) => ({ method: method.toUpperCase(), path, operationId })),
    );
  });
  afterAll(() => authority.end());

  /** All that there is of the other customer, and of everybody. */
  const everything = async () => {
    const tables = [
      'licence',
      'licence_key',
      'regeneration',
      'renewal',
      'person',
      'invitation',
      'organisation',
      'organisation_name',
    ];
    const dump = await Promise.all(
      tables.map((t) => authority.pool.query(`SELECT row_to_json(x)::text AS row FROM ${t} x ORDER BY 1`)),
    );
    return dump.map((d) => d.rows);
  };

  it('is asked about every route that there is', () => {
    expect(operations.length).toBeGreaterThan(40);
    expect(operations.map((o) => o.operationId).toSorted()).toEqual(Object.keys(asked).toSorted());
  });

  it('learns and changes nothing of another customer by any route', async () => {
    const before = await everything();
    const secrets = [
      theirs.issued.licenceId,
      theirs.issued.keyId,
      theirs.personId,
      'vera@',
      'Vasilyok',
      'secretproduct',
    ];
    const outcomes: string[] = [];
    for (const { method, path, operationId } of operations) {
      const how = asked[operationId];
      if (how === undefined || how === 'own') continue;
      const { query = '', body } = how(theirs);
      const named: Readonly<Record<string, string>> = { ...theirs.issued, ...theirs, kid: 'any' } as never;
      const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => named[name] ?? `no ${name}`) + query;
      const { status, body: answer } = await mallory.call(method, url, body);
      const said = JSON.stringify(answer);
      outcomes.push(`${operationId} ${status} ${secrets.filter((s) => said.includes(s)).join()}`.trim());
      // a body or an address that is not understood would prove nothing
      expect([200, 403, 404], `${operationId}: ${said}`).toContain(status);
      if (status === 200) expect(Object.values(answer).flat(), operationId).toEqual([]);
    }
    expect(outcomes.filter((o) => o.split(' ').length > 2)).toEqual([]);
    expect(await everything()).toEqual(before);
  });

  it('is told of what exists the same as of what does not', async () => {
    const of = async (url: string, body?: unknown) => {
      const { status, body: answer } = await mallory.call(body === undefined ? 'GET' : 'POST', url, body);
      return { status, answer };
    };
    const { keyId, licenceId } = theirs.issued;
    expect(await of(`/v1/keys/${keyId}`)).toEqual(await of('/v1/keys/AAAAAAAAAAAA'));
    expect(await of(`/v1/licences/${licenceId}:regenerate`, {})).toEqual(
      await of('/v1/licences/lic-none:regenerate', {}),
    );
    expect(await of('/v1/activations:respond', theirs.request)).toMatchObject({ answer: { reason: 'KeyUnknown' } });
  });

  it('with a token of the customer learns no more', async () => {
    const { body } = await authority.call<{ entries: { licenceId?: string }[] }>(
      'GET',
      '/v1/audit?limit=500',
      undefined,
      tokens.romashka,
    );
    expect(body.entries.length).toBeGreaterThan(0);
    expect(JSON.stringify(body)).not.toContain(theirs.issued.licenceId);
    const respond = await authority.call('POST', '/v1/activations:respond', theirs.request, tokens.romashka);
    expect(respond).toMatchObject({ status: 404, body: { reason: 'KeyUnknown' } });
  });

  it('is in nobody’s place without signing in', async () => {
    for (const { method, path, operationId } of operations) {
      if (!path.startsWith('/v1/') || ['activate', 'checkActivation', 'showSession', 'endSignOn'].includes(operationId))
        continue;
      const url = path.replaceAll(/\{\w+\}/g, 'any');
      const isWayIn = ['signIn', 'lookAtInvitation', 'acceptInvitation', 'beginSignOn'].includes(operationId);
      const body = { email: 'x@y.example', password: aPassword, token: 'A'.repeat(43), name: 'X' };
      const answer = await authority.http.inject({
        method: method as 'GET',
        url,
        ...(method === 'GET' ? {} : { payload: body }),
      });
      expect(isWayIn ? [401, 404, 410] : [401], operationId).toContain(answer.statusCode);
    }
  });
});
