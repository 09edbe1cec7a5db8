import { z } from 'zod';
import type { Http } from '../../runtime/httpShell.ts';
import type { Logger } from '../../runtime/log.ts';
import { ProblemError } from '../../runtime/problem.ts';
import { anyone, operation } from '../routes/routing.ts';
import { endOldSession } from './accountRoutes.ts';
import { orRefused } from './answer.ts';
import * as answers from './answers.ts';
import { countAttempt } from './attempts.ts';
import type { CabinetDeps } from './cabinet.ts';
import { cookieOf, dropCookie, isSameOrigin, sessionCookie, setCookie, signOnCookie } from './cookies.ts';
import { signOnRequest } from './requests.ts';
import { beginSignOn, endSignOn } from './singleSignOn.ts';

const tag = 'account';

/** The way to the identity provider and back. */
export function registerSignOnRoutes(http: Http, deps: CabinetDeps, log: Logger): void {
  http.post(
    '/v1/sign-on',
    {
      config: anyone,
      schema: {
        ...operation('beginSignOn', 'The way to the identity provider', tag, { 201: answers.signOn }),
        body: signOnRequest,
      },
    },
    async (request, reply) => {
      if (!isSameOrigin(request)) {
        const detail = 'this comes from a page of another site; open the cabinet itself';
        throw new ProblemError({ status: 403, reason: 'OriginForeign', detail });
      }
      const limited = await countAttempt(deps, [{ what: 'address', who: request.ip }]);
      if (limited !== undefined) throw new ProblemError(limited);
      const { url, token } = orRefused(await beginSignOn(deps, request.body?.invitation, log));
      setCookie(reply, signOnCookie, token, 'Lax');
      reply.code(201).header('cache-control', 'no-store');
      return { url };
    },
  );
  http.get(
    '/v1/sign-on/callback',
    {
      config: anyone,
      schema: {
        ...operation('endSignOn', 'Where the identity provider sends the browser back to', tag, {
          303: z.null().describe('to the cabinet, signed in or with the reason why not'),
        }),
      },
    },
    async (request, reply) => {
      const search = new URL(request.url, 'http://here').search;
      const came = await endSignOn(deps, { token: cookieOf(request, signOnCookie), search, address: request.ip }, log);
      dropCookie(reply, signOnCookie);
      reply.header('cache-control', 'no-store');
      const home = deps.provider?.home ?? '/';
      if (!came.ok) return reply.code(303).header('location', `${home}#/sign-on/${came.problem.reason}`).send();
      await endOldSession(deps, request);
      setCookie(reply, sessionCookie, came.value.token);
      return reply.code(303).header('location', home).send();
    },
  );
}
