import type { FastifyReply, FastifyRequest } from 'fastify';
import { momentOf } from '../../licence/moment.ts';
import type { Http } from '../../runtime/httpShell.ts';
import { ProblemError } from '../../runtime/problem.ts';
import { writeAudit } from '../audit.ts';
import { anyone, operation, person } from '../routes/routing.ts';
import { orRefused } from './answer.ts';
import * as answers from './answers.ts';
import { type Asking, whoOf } from './asking.ts';
import type { CabinetDeps } from './cabinet.ts';
import { changePassword } from './changePassword.ts';
import { cookieOf, dropCookie, isSameOrigin, sessionCookie, setCookie } from './cookies.ts';
import { organisationName } from './customers.ts';
import { acceptInvitation, lookAtInvitation } from './invitations.ts';
import {
  acceptance,
  codeRequest,
  invitationToken,
  passwordChange,
  passwordRequest,
  signInRequest,
} from './requests.ts';
import { confirmSecondFactor, offerSecondFactor, removeSecondFactor } from './secondFactor.ts';
import { csrfTokenOf, endSession, endSessions, findSession, hashOfToken, type Session } from './sessions.ts';
import { type SignedIn, signIn } from './signIn.ts';

const tag = 'account';
const withoutSession = {
  config: anyone,
  // a page of another site signs nobody in here, neither as somebody else nor at all
  onRequest: async (request: FastifyRequest) => {
    if (isSameOrigin(request)) return;
    const detail = 'this comes from a page of another site; open the cabinet itself';
    throw new ProblemError({ status: 403, reason: 'OriginForeign', detail });
  },
};

/** What somebody does with their own account: in, out, password, second factor. */
export function registerAccountRoutes(http: Http, deps: CabinetDeps): void {
  const offered = deps.provider === undefined ? {} : { singleSignOn: { name: deps.provider.name } };

  const view = async (token: string, { person: who, createdMs }: Omit<Session, 'tokenHash'>) => ({
    person: {
      personId: who.id,
      email: who.email,
      name: who.name,
      role: who.organisation === undefined ? 'vendor' : 'customer',
      ...(who.organisation === undefined
        ? {}
        : { organisationId: who.organisation, organisation: await organisationName(deps, who.organisation) }),
      hasPassword: who.hasPassword,
      secondFactor: who.hasSecondFactor,
    },
    csrfToken: csrfTokenOf(token),
    endsAt: momentOf(createdMs + deps.sessionTimes.wholeMs),
    ...offered,
  });

  http.get(
    '/v1/session',
    {
      config: anyone,
      schema: operation('showSession', 'Who is signed in, if anybody is', tag, { 200: answers.session }),
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const token = cookieOf(request, sessionCookie);
      const session = token === undefined ? undefined : await readSession(deps, token);
      return token === undefined || session === undefined ? offered : view(token, session);
    },
  );

  /** Whoever comes in gets a session of its own; the one that the browser had, whoever's it was, ends. */
  const comeIn = async (request: FastifyRequest, reply: FastifyReply, { token, person: who }: SignedIn) => {
    await endOldSession(deps, request);
    setCookie(reply, sessionCookie, token);
    reply.code(201).header('cache-control', 'no-store');
    return view(token, { person: who, createdMs: await deps.transact(deps.now) });
  };
  http.post(
    '/v1/session',
    {
      ...withoutSession,
      schema: { ...operation('signIn', 'Sign in', tag, { 201: answers.session }), body: signInRequest },
    },
    async (request, reply) => comeIn(request, reply, orRefused(await signIn(deps, request.body, request.ip))),
  );
  http.post(
    '/v1/invitations::look',
    {
      ...withoutSession,
      schema: {
        ...operation('lookAtInvitation', 'Whom an invitation is for', tag, { 200: answers.invitation }),
        body: invitationToken,
      },
    },
    async (request) => orRefused(await lookAtInvitation(deps, request.body.token, request.ip)),
  );
  http.post(
    '/v1/invitations::accept',
    {
      ...withoutSession,
      schema: {
        ...operation('acceptInvitation', 'Come in by an invitation, with a password', tag, { 201: answers.session }),
        body: acceptance,
      },
    },
    async (request, reply) => comeIn(request, reply, orRefused(await acceptInvitation(deps, request.body, request.ip))),
  );

  http.delete(
    '/v1/session',
    { config: person, schema: operation('signOut', 'Sign out of this browser', tag, { 200: answers.nothing }) },
    async (request, reply) => {
      const asking = askingOf(request);
      await deps.transact((client) => endSession(client, asking.tokenHash));
      dropCookie(reply, sessionCookie);
      return {};
    },
  );
  http.delete(
    '/v1/sessions',
    { config: person, schema: operation('signOutEverywhere', 'Sign out everywhere', tag, { 200: answers.nothing }) },
    async (request, reply) => {
      const asking = askingOf(request);
      await deps.transact(async (client) => {
        await endSessions(client, asking.person.id);
        const entry = { ...whoOf(asking), action: 'sign-out-everywhere', outcome: 'ok' };
        await writeAudit(client, await deps.now(client), entry);
      });
      dropCookie(reply, sessionCookie);
      return {};
    },
  );
  http.post(
    '/v1/session/password',
    {
      config: person,
      schema: {
        ...operation('changePassword', 'Another password; all other sessions end', tag, { 200: answers.nothing }),
        body: passwordChange,
      },
    },
    async (request) => orRefused(await changePassword(deps, askingOf(request), request.body)),
  );
  http.post(
    '/v1/session/second-factor',
    {
      config: person,
      schema: operation('offerSecondFactor', 'A secret for an authenticator app', tag, {
        200: answers.secondFactorOffer,
      }),
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return orRefused(await offerSecondFactor(deps, askingOf(request)));
    },
  );
  http.post(
    '/v1/session/second-factor::confirm',
    {
      config: person,
      schema: {
        ...operation('confirmSecondFactor', 'Turn the second factor on', tag, { 200: answers.recoveryCodes }),
        body: codeRequest,
      },
    },
    async (request, reply) => {
      reply.header('cache-control', 'no-store');
      return orRefused(await confirmSecondFactor(deps, askingOf(request), request.body.code));
    },
  );
  http.post(
    '/v1/session/second-factor::remove',
    {
      config: person,
      schema: {
        ...operation('removeSecondFactor', 'Turn the second factor off', tag, { 200: answers.nothing }),
        body: passwordRequest,
      },
    },
    async (request) => orRefused(await removeSecondFactor(deps, askingOf(request), request.body.password)),
  );
}

/** Whose the token of a session is. */
export const readSession = (deps: CabinetDeps, token: string): Promise<Session | undefined> =>
  deps.transact(async (client) => findSession(client, token, await deps.now(client), deps.sessionTimes));

export async function endOldSession(deps: CabinetDeps, request: FastifyRequest): Promise<void> {
  const old = cookieOf(request, sessionCookie);
  if (old === undefined) return;
  await deps.transact((client) => endSession(client, hashOfToken(old)));
}

function askingOf({ actor: { session }, ip }: FastifyRequest): Asking {
  if (session === undefined) throw new Error('a route of a person was reached without a session');
  return { person: session.person, tokenHash: session.tokenHash, address: ip };
}
