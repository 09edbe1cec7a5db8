import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { isFingerprint } from '../licence/fingerprint.ts';
import type { KeyFault } from '../licence/keyFaults.ts';
import { bounds, supportPolicies } from '../licence/words.ts';
import type { Http } from '../runtime/httpShell.ts';
import { type Problem, ProblemError } from '../runtime/problem.ts';
import { type ActivationOutcome, type ActivationsDeps, activate, checkActivation } from './activations.ts';
import { readAudit } from './audit.ts';
import { transaction } from './database.ts';
import {
  type By,
  correctLicence,
  issueLicence,
  listLicences,
  type Outcome,
  type Refusal,
  regenerateKey,
  renewKey,
  revokeKey,
} from './licences.ts';
import { byHand, online } from './proof.ts';

const vendor = { role: 'vendor' };
const customer = { role: 'customer' };
const anyone = { role: 'none' };

const moment = z.iso.datetime().describe('RFC 3339, UTC');
const organisation = z.string().trim().min(1).max(200);
const features = z.array(z.string().min(1).max(100)).max(100);
const seatLimit = z.int().min(0).max(10_000_000);
const issueRequest = z.object({
  organisation,
  product: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/, 'lower-case letters, digits, dots, hyphens')
    .max(bounds.product),
  seatLimit,
  supportUntil: moment.optional(),
  expiresAt: moment.optional(),
  supportPolicy: z.enum(supportPolicies).optional(),
  features: features.optional(),
});
const terms = z.object({
  seatLimit: seatLimit.optional(),
  supportUntil: moment.optional(),
  expiresAt: moment.optional(),
});
const correction = z.object({
  ...terms.shape,
  organisation: organisation.optional(),
  supportPolicy: z.enum(supportPolicies).optional(),
  features: features.optional(),
});
const activationRequest = z.object({
  key: z.string().min(1).max(200),
  fingerprint: z.string().refine(isFingerprint, 'must be sha256: and 64 hexadecimal digits'),
  publicKey: z.string().length(43),
  sequence: z.int().min(0).max(2_147_483_646),
  requestedAt: moment,
  signature: z.string().length(86),
});
/** A parameter that is followed by a colon and a verb. */
const word = '(^[^:/]+)';
const licenceParams = z.object({ licenceId: z.string().max(64) });

/** Everything that changes licences or activates keys. */
export function registerRoutes(http: Http, deps: ActivationsDeps): void {
  http.post('/v1/licences', { config: vendor, schema: { body: issueRequest } }, async (request, reply) =>
    reply.code(201).send(await issueLicence(deps, request.body, byOf(request))),
  );
  http.get(
    '/v1/licences',
    {
      config: customer,
      schema: {
        querystring: z.object({
          organisation: z.string().optional(),
          keyId: z.string().optional(),
          after: z.string().optional(),
          limit: z.coerce.number().int().min(1).max(500).default(100),
        }),
      },
    },
    async (request) => {
      const { query } = request;
      const own = request.actor.organisation ?? query.organisation;
      const licences = await listLicences(deps, { ...query, organisation: own });
      const next = licences.length === query.limit ? licences.at(-1)?.licenceId : undefined;
      return { licences, ...(next === undefined ? {} : { after: next }) };
    },
  );
  http.patch(
    '/v1/licences/:licenceId',
    { config: vendor, schema: { params: licenceParams, body: correction } },
    async (request) => valueFrom(await correctLicence(deps, request.params.licenceId, request.body, byOf(request))),
  );
  http.post(
    `/v1/licences/:licenceId${word}::regenerate`,
    {
      config: customer,
      schema: {
        params: licenceParams,
        body: z.object({ supportOverride: z.string().trim().min(1).max(500).optional() }).nullish(),
      },
    },
    async (request, reply) => {
      const { supportOverride } = request.body ?? {};
      if (supportOverride !== undefined && request.actor.role !== 'vendor') {
        throw new ProblemError({ status: 403, reason: 'RoleMissing', detail: 'only support may go beyond the limit' });
      }
      const by = { ...byOf(request), supportOverride };
      return reply.code(201).send(valueFrom(await regenerateKey(deps, request.params.licenceId, by)));
    },
  );
  http.post(
    `/v1/licences/:licenceId${word}::renew`,
    { config: vendor, schema: { params: licenceParams, body: terms } },
    async (request, reply) =>
      reply.code(201).send(valueFrom(await renewKey(deps, request.params.licenceId, request.body, byOf(request)))),
  );
  http.post(
    `/v1/keys/:keyId${word}::revoke`,
    {
      config: vendor,
      schema: {
        params: z.object({ keyId: z.string().max(64) }),
        body: z.object({ reason: z.string().trim().min(1).max(500) }),
      },
    },
    async (request) => valueFrom(await revokeKey(deps, request.params.keyId, request.body.reason, byOf(request))),
  );

  // The key itself and the proof of the computer's identity are what a server shows: no token.
  http.post('/v1/activations', { config: anyone, schema: { body: activationRequest } }, async ({ body }) =>
    activationOf(await activate(deps, body, online, 'server')),
  );
  http.post('/v1/activations::check', { config: anyone, schema: { body: activationRequest } }, async ({ body }) =>
    activationOf(await checkActivation(deps, body, online)),
  );
  // A request file is days old when a person hands it in: the token stands in for its freshness.
  http.post('/v1/activations::respond', { config: customer, schema: { body: activationRequest } }, async (request) =>
    activationOf(await activate(deps, request.body, byHand, byOf(request).actor)),
  );

  http.get('/.well-known/jwks.json', { config: anyone }, async (_request, reply) => {
    await deps.signingKeys.reload();
    return reply.header('cache-control', 'public, max-age=300').send(deps.signingKeys.jwks());
  });
  http.get('/v1/signing-keys', { config: vendor }, async () => {
    await deps.signingKeys.reload();
    return { keys: deps.signingKeys.list() };
  });
  http.post('/v1/signing-keys', { config: vendor }, async (_request, reply) =>
    reply.code(201).send({ kid: await deps.signingKeys.add(await transaction(deps.pool, deps.now)), state: 'next' }),
  );
  http.post(
    `/v1/signing-keys/:kid${word}::activate`,
    { config: vendor, schema: { params: z.object({ kid: z.string().max(100) }) } },
    async ({ params: { kid } }) => {
      if ((await deps.signingKeys.activate(kid)) === 'activated') return { kid, state: 'active' };
      throw new ProblemError({ status: 404, reason: 'SigningKeyUnknown', detail: 'see GET /v1/signing-keys' });
    },
  );
  http.get(
    '/v1/audit',
    {
      config: vendor,
      schema: {
        querystring: z.object({
          licenceId: z.string().optional(),
          before: z.coerce.number().int().optional(),
          limit: z.coerce.number().int().min(1).max(500).default(100),
        }),
      },
    },
    async ({ query: { licenceId, before, limit } }) => {
      const page = { limit, ...(licenceId ? { licenceId } : {}), ...(before === undefined ? {} : { before }) };
      return { entries: await transaction(deps.pool, (client) => readAudit(client, page)) };
    },
  );
}

function byOf({ actor: { role, organisation: own } }: FastifyRequest): By {
  return { actor: own === undefined ? role : `${role} ${own}`, ...(own === undefined ? {} : { organisation: own }) };
}

function valueFrom<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new ProblemError(problemOf(outcome));
}

function problemOf(refusal: Refusal): Problem {
  const { reason, detail } = refusal;
  if (refusal.reason === 'RegenerationLimit') {
    const extra = { regenerationsLeft: 0, regenerationsResetAt: refusal.resetAt };
    return { status: 409, reason, detail, extra };
  }
  return { status: 404, reason, detail };
}

function activationOf<T>(outcome: ActivationOutcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new ProblemError({
    status: statusOf(outcome.fault),
    reason: outcome.fault.reason,
    detail: outcome.fault.message,
  });
}

function statusOf({ reason }: KeyFault): number {
  if (reason === 'KeyMalformed') return 400;
  if (reason === 'KeyUnknown') return 404;
  return reason === 'ProofInvalid' ? 403 : 409;
}
