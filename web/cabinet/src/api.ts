import { ApiRefused, createCaller, query } from '../../shared/call.ts';
import type {
  AuditPage,
  Invitation,
  IssuedKey,
  LicencePage,
  NewInvitation,
  NewLicence,
  OpenInvitation,
  OrganisationPage,
  Person,
  Session,
  Terms,
} from './wire.ts';

/** The part of the authority's HTTP interface that the cabinet uses. Every function throws ApiRefused. */
export type Api = ReturnType<typeof createApi>;

/** @param onEnded told when a call shows that nobody is signed in any more */
export function createApi(onEnded: () => void) {
  /** Known once the session is; goes along with whatever changes something. */
  let csrfToken = '';
  const { call: ask } = createCaller((method) => (method === 'GET' ? {} : { 'x-csrf-token': csrfToken }));
  const call: typeof ask = (...asked) =>
    ask<never>(...asked).catch((error: unknown) => {
      if (error instanceof ApiRefused && ended.includes(error.refusal.reason)) onEnded();
      throw error;
    });
  const entered = async (session: Promise<Session>): Promise<Session> => {
    csrfToken = (await session).csrfToken ?? '';
    return session;
  };
  const of = (id: string) => encodeURIComponent(id);
  /** Makes a key; asked again with the same `once` it answers the same key. */
  const make = (path: string, once: string, body: unknown = {}) =>
    call<IssuedKey>('POST', path, body, { 'idempotency-key': once });

  return {
    session: () => entered(call<Session>('GET', 'v1/session')),
    signIn: (who: { email: string; password: string; code?: string }) =>
      entered(call<Session>('POST', 'v1/session', who)),
    signOut: () => call<object>('DELETE', 'v1/session'),
    signOutEverywhere: () => call<object>('DELETE', 'v1/sessions'),
    beginSignOn: (invitation?: string) =>
      call<{ url: string }>('POST', 'v1/sign-on', invitation === undefined ? {} : { invitation }),
    lookAtInvitation: (token: string) => call<Invitation>('POST', 'v1/invitations:look', { token }),
    acceptInvitation: (by: { token: string; name: string; password: string }) =>
      entered(call<Session>('POST', 'v1/invitations:accept', by)),
    changePassword: (present: string, next: string) => call<object>('POST', 'v1/session/password', { present, next }),
    offerSecondFactor: () => call<{ secret: string; uri: string }>('POST', 'v1/session/second-factor', {}),
    confirmSecondFactor: (code: string) =>
      call<{ recoveryCodes: string[] }>('POST', 'v1/session/second-factor:confirm', { code }),
    removeSecondFactor: (password: string) => call<object>('POST', 'v1/session/second-factor:remove', { password }),

    licences: (filter: { organisation?: string; suspected?: string; keyId?: string }, after?: string) =>
      call<LicencePage>('GET', `v1/licences${query({ ...filter, after, limit: '50' })}`),
    regenerate: (keyId: string, once: string, supportOverride?: string) =>
      make(`v1/keys/${of(keyId)}:regenerate`, once, supportOverride === undefined ? {} : { supportOverride }),
    renew: (keyId: string, once: string) => make(`v1/keys/${of(keyId)}:renew`, once),
    respond: (request: unknown) => call<unknown>('POST', 'v1/activations:respond', request),
    audit: (filter: { licenceId?: string }, before?: string) =>
      call<AuditPage>('GET', `v1/audit${query({ ...filter, before, limit: '50' })}`),

    issue: (licence: NewLicence, once: string) => make('v1/licences', once, licence),
    correct: (licenceId: string, change: Terms & { organisation?: string }) =>
      call<unknown>('PATCH', `v1/licences/${of(licenceId)}`, change),
    grantRenewal: (licenceId: string, terms: Terms & { reference?: string }, once: string) =>
      call<unknown>('POST', `v1/licences/${of(licenceId)}/renewals`, terms, { 'idempotency-key': once }),
    revokeLicence: (licenceId: string, reason: string) =>
      call<unknown>('POST', `v1/licences/${of(licenceId)}:revoke`, { reason }),
    pardonKey: (keyId: string, reason: string) => call<unknown>('POST', `v1/keys/${of(keyId)}:pardon`, { reason }),
    organisations: (name: string, after?: string) =>
      call<OrganisationPage>('GET', `v1/organisations${query({ name, after, limit: '50' })}`),
    people: () => call<{ people: Person[] }>('GET', 'v1/people'),
    disablePerson: (personId: string) => call<object>('POST', `v1/people/${of(personId)}:disable`, {}),
    invitePersonAgain: (personId: string) => call<NewInvitation>('POST', `v1/people/${of(personId)}:invite`, {}),
    invitations: () => call<{ invitations: OpenInvitation[] }>('GET', 'v1/invitations'),
    invite: (whom: { email: string; role: 'customer' | 'vendor'; organisation?: string }) =>
      call<NewInvitation>('POST', 'v1/invitations', whom),
    withdrawInvitation: (id: string) => call<object>('DELETE', `v1/invitations/${of(id)}`),
  };
}

/** By which refusals nobody is signed in any more. */
const ended: readonly string[] = ['SessionEnded', 'SessionMissing', 'TokenMissing'];
