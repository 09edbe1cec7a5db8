import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Http } from '../../runtime/httpShell.ts';
import { type Problem, ProblemError } from '../../runtime/problem.ts';
import type { ActivationsDeps } from '../activations.ts';
import * as answers from '../answers.ts';
import { writeAudit } from '../audit.ts';
import { ofSigningKey, plain } from './requests.ts';
import { anyone, byOf, bySigningKey, operation, vendorToken } from './routing.ts';

/** The keys that sign: published for everybody, changed by the vendor. */
export function registerSigningRoutes(http: Http, deps: ActivationsDeps): void {
  http.get(
    '/.well-known/jwks.json',
    { config: anyone, schema: operation('signingKeySet', 'The public signing keys', 'signing', { 200: answers.jwks }) },
    async (_request, reply) => {
      await deps.signingKeys.reload();
      return reply.header('cache-control', 'public, max-age=300').send(deps.signingKeys.jwks());
    },
  );
  http.get(
    '/.well-known/jwks.jws',
    {
      config: anyone,
      schema: {
        ...operation('signedKeySet', 'The public signing keys, signed by one of them', 'signing', { 200: answers.jws }),
        querystring: z.object({ kid: plain.max(100) }),
      },
    },
    async ({ query: { kid } }, reply) => {
      await deps.signingKeys.reload();
      const set = deps.signingKeys.keySet(kid);
      if (set === undefined) throw new ProblemError(noSuchSigningKey);
      return reply.header('cache-control', 'public, max-age=300').type('application/jose').send(set);
    },
  );
  http.get(
    '/v1/signing-keys',
    {
      config: vendorToken,
      schema: operation('listSigningKeys', 'The signing keys and their states', 'signing', {
        200: answers.signingKeys,
      }),
    },
    async () => {
      await deps.signingKeys.reload();
      return { keys: deps.signingKeys.list() };
    },
  );
  const changed = (id: string, summary: string) => ({
    config: vendorToken,
    schema: { ...operation(id, summary, 'signing', { 200: answers.signingKey }), ...ofSigningKey },
  });
  /** One change of the signing keys at a time, whichever replica makes it: each reads the file and writes it anew. */
  const changing = (
    request: FastifyRequest,
    action: string,
    change: (nowMs: number) => Promise<string>,
  ): Promise<string> =>
    deps.transact(async (client) => {
      await client.query('SELECT pg_advisory_xact_lock(7227101)');
      const nowMs = await deps.now(client);
      const kid = await change(nowMs);
      await writeAudit(client, nowMs, { by: byOf(request), action, outcome: 'ok', detail: kid });
      return kid;
    });
  http.post(
    '/v1/signing-keys',
    {
      config: vendorToken,
      schema: operation('addSigningKey', 'Make the next signing key', 'signing', { 201: answers.signingKey }),
    },
    async (request, reply) => {
      const kid = await changing(request, 'add-signing-key', (nowMs) => deps.signingKeys.add(nowMs));
      return reply.code(201).send({ kid, state: 'next' });
    },
  );
  http.post(
    `${bySigningKey}::activate`,
    changed('activateSigningKey', 'Sign with this key from now on'),
    async (request) => {
      const { kid } = request.params;
      await changing(request, 'activate-signing-key', async () => {
        if ((await deps.signingKeys.activate(kid)) === 'unknown') throw new ProblemError(noSuchSigningKey);
        return kid;
      });
      return { kid, state: 'active' };
    },
  );
  http.post(`${bySigningKey}::withdraw`, changed('withdrawSigningKey', 'Believe this key no more'), async (request) => {
    const { kid } = request.params;
    await changing(request, 'withdraw-signing-key', async () => {
      const outcome = await deps.signingKeys.withdraw(kid);
      if (outcome === 'unknown') throw new ProblemError(noSuchSigningKey);
      if (outcome === 'active') {
        const detail = 'this key signs; add another one and activate it first';
        throw new ProblemError({ status: 409, reason: 'SigningKeyActive', detail });
      }
      return kid;
    });
    return { kid, state: 'withdrawn' };
  });
}

const noSuchSigningKey: Problem = {
  status: 404,
  reason: 'SigningKeyUnknown',
  detail: 'there is no such signing key; see /.well-known/jwks.json',
};
