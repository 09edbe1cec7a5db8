import type { Http } from '../../runtime/httpShell.ts';
import { byOf, operation, vendor } from '../routes/routing.ts';
import { orRefused } from './answer.ts';
import * as answers from './answers.ts';
import type { CabinetDeps } from './cabinet.ts';
import { listOrganisations } from './customers.ts';
import {
  disablePerson,
  type Invited,
  invite,
  inviteAgain,
  listInvitations,
  withdrawInvitation,
} from './invitations.ts';
import { listPeople } from './people.ts';
import { invitationRequest, ofInvitation, ofPerson, organisationQuery, peopleQuery } from './requests.ts';

const tag = 'people';
const byPerson = '/v1/people/:personId(^[^:/]+)';

/** Customers and people, for the vendor. */
export function registerPeopleRoutes(http: Http, deps: CabinetDeps): void {
  http.get(
    '/v1/organisations',
    {
      config: vendor,
      schema: {
        ...operation('listOrganisations', 'Customers', tag, { 200: answers.organisationPage }),
        querystring: organisationQuery,
      },
    },
    async ({ query }) => {
      const organisations = await listOrganisations(deps, query);
      const next = organisations.length === query.limit ? organisations.at(-1)?.organisationId : undefined;
      return { organisations, ...(next === undefined ? {} : { after: next }) };
    },
  );
  http.get(
    '/v1/people',
    {
      config: vendor,
      schema: {
        ...operation('listPeople', 'Who can sign in', tag, { 200: answers.personList }),
        querystring: peopleQuery,
      },
    },
    async ({ query }) => ({ people: await deps.transact((client) => listPeople(client, query.organisationId)) }),
  );
  http.post(
    `${byPerson}::disable`,
    {
      config: vendor,
      schema: { ...operation('disablePerson', 'Shut somebody out', tag, { 200: answers.nothing }), ...ofPerson },
    },
    async (request) => orRefused(await disablePerson(deps, request.params.personId, byOf(request))),
  );
  http.post(
    `${byPerson}::invite`,
    {
      config: vendor,
      schema: {
        ...operation('invitePersonAgain', 'A link by which somebody sets a new password', tag, {
          201: answers.newInvitation,
        }),
        ...ofPerson,
      },
    },
    async (request, reply) => {
      reply.code(201).header('cache-control', 'no-store');
      return orRefused(await inviteAgain(deps, request.params.personId, byOf(request)));
    },
  );
  http.get(
    '/v1/invitations',
    {
      config: vendor,
      schema: operation('listInvitations', 'Invitations that are open', tag, { 200: answers.invitationList }),
    },
    async () => ({ invitations: await listInvitations(deps) }),
  );
  http.post(
    '/v1/invitations',
    {
      config: vendor,
      schema: {
        ...operation('invite', 'A link by which somebody comes in', tag, { 201: answers.newInvitation }),
        body: invitationRequest,
      },
    },
    async (request, reply) => {
      const { email, role, organisation, organisationId } = request.body;
      const to: Invited = role === 'vendor' ? { role } : { role, organisation, organisationId };
      reply.code(201).header('cache-control', 'no-store');
      return orRefused(await invite(deps, { email, ...to }, byOf(request)));
    },
  );
  http.delete(
    '/v1/invitations/:invitationId',
    {
      config: vendor,
      schema: {
        ...operation('withdrawInvitation', 'Take an invitation back', tag, { 200: answers.nothing }),
        ...ofInvitation,
      },
    },
    async (request) => orRefused(await withdrawInvitation(deps, request.params.invitationId, byOf(request))),
  );
}
