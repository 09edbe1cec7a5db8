import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { idempotencyHeader } from '../licence/authorityWire.ts';
import { isFingerprint } from '../licence/fingerprint.ts';
import type { KeyFault } from '../licence/keyFaults.ts';
import { bounds, supportPolicies } from '../licence/words.ts';
import type { Http } from '../runtime/httpShell.ts';
import { type Problem, ProblemError } from '../runtime/problem.ts';
import { named, withoutNul } from '../runtime/schemas.ts';
import { type ActivationOutcome, type ActivationsDeps, activate, checkActivation } from './activations.ts';
import * as answers from './answers.ts';
import { readAudit, writeAudit } from './audit.ts';
import type { By, LicencesDeps, Target } from './changeLicence.ts';
import { idempotencyKeyOf, once } from './idempotency.ts';
import { correctLicence, issueLicence, listLicences, pardonKey, revokeKey, revokeLicence } from './licences.ts';
import { grantRenewal, keyAllowance, regenerateKey, renewKey } from './newKeys.ts';
import { byHand, online } from './proof.ts';
import type { Count } from './rates.ts';
import type { Outcome, Refusal } from './refusal.ts';

const vendor = { role: 'vendor' };
const customer = { role: 'customer' };
const anyone = { role: 'none' };
/** What the document says of a route; answers are written as they are, and only described here. */
const operation = (operationId: string, summary: string, tag: string, response: object): RouteTexts => ({
  operationId,
  summary,
  tags: [tag],
  ...{ response },
});
interface RouteTexts {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: string[];
}

const plain = z.string().regex(withoutNul, 'must have no NUL character');
const text = (max: number) => z.string().trim().min(1).max(max).regex(withoutNul, 'must have no NUL character');
const moment = z.iso
  .datetime()
  .refine((at) => /^(19[7-9]|[2-9]\d\d)\d-/.test(at), 'must lie after 1970')
  .describe('RFC 3339, UTC');
const organisation = text(200);
const organisationId = z
  .string()
  .regex(/^org-[0-9a-f]{16}$/, 'must be the id of an organisation, such as org-0123456789abcdef');
const features = z.array(plain.min(1).max(100)).max(100);
/** Ends that have passed or that shorten are refused unless it is said that they are meant. */
const forced = { force: z.boolean().optional() };
const seatLimit = z.int().min(0).max(10_000_000);
const issueRequest = named(
  'IssueRequest',
  z.object({
    ...forced,
    organisation,
    organisationId: organisationId.optional(),
    product: z
      .string()
      .regex(/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/, 'lower-case letters, digits, dots, hyphens')
      .max(bounds.product),
    seatLimit,
    supportUntil: moment.optional(),
    expiresAt: moment.optional(),
    supportPolicy: z.enum(supportPolicies).optional(),
    features: features.optional(),
  }),
);
const terms = z.object({
  seatLimit: seatLimit.optional(),
  supportUntil: moment.optional(),
  expiresAt: moment.optional(),
});
const correction = z
  .object({
    ...forced,
    seatLimit: seatLimit.optional(),
    supportUntil: moment.nullish().describe('null: no end any more'),
    expiresAt: moment.nullish().describe('null: no end any more'),
    organisation: organisation.optional(),
    organisationId: organisationId.optional(),
    supportPolicy: z.enum(supportPolicies).optional(),
    features: features.optional(),
  })
  .refine(
    (c) => c.organisationId === undefined || c.organisation !== undefined,
    'organisationId needs the organisation, too',
  );
const activationRequest = named(
  'ActivationRequest',
  z.object({
    key: z.string().min(1).max(200),
    fingerprint: z.string().refine(isFingerprint, 'must be sha256: and 64 hexadecimal digits'),
    publicKey: z.string().length(43),
    sequence: z.int().min(0).max(2_147_483_646),
    requestedAt: moment,
    signature: z.string().length(86),
  }),
);
const regeneration = z.object({ supportOverride: text(500).optional() }).nullish();
const renewal = terms.extend(forced).nullish();
const granted = z
  .object({ ...terms.shape, ...forced, reference: text(200).optional() })
  .refine((g) => [g.seatLimit, g.supportUntil, g.expiresAt].some((v) => v !== undefined), 'must prolong something');
const because = named('Because', z.object({ reason: text(500) }));
const guessed: readonly string[] = ['KeyMalformed', 'KeyUnknown', 'ProofInvalid'];
/** A parameter that is followed by a colon and a verb. */
const word = '(^[^:/]+)';
const licenceParams = z.object({ licenceId: plain.max(64) });

export interface RoutesDeps extends ActivationsDeps {
  readonly count: Count;
}

/** Everything that changes licences or activates keys. */
export function registerRoutes(http: Http, deps: RoutesDeps): void {
  /** Makes a key once for each idempotency key. */
  const making = async <T>(
    request: FastifyRequest,
    reply: FastifyReply,
    work: (deps: LicencesDeps) => Promise<Outcome<T>>,
  ): Promise<T> => {
    const { actor } = byOf(request);
    const asked = JSON.stringify([request.method, request.url, request.body ?? {}]);
    const idempotencyKey = idempotencyKeyOf(request.headers[idempotencyHeader]);
    const outcome = await once(deps, { actor, idempotencyKey, request: asked }, work);
    reply.code(201);
    if (outcome.ok && outcome.replayed) reply.header('idempotent-replayed', 'true');
    return valueFrom(outcome);
  };

  http.post(
    '/v1/licences',
    {
      config: vendor,
      schema: {
        ...operation('issueLicence', 'Issue a licence and its first key', 'licences', { 201: answers.issuedKey }),
        body: issueRequest,
      },
    },
    async (request, reply) => making(request, reply, (d) => issueLicence(d, request.body, byOf(request))),
  );
  http.get(
    '/v1/licences',
    {
      config: customer,
      schema: {
        ...operation('listLicences', 'What was sold', 'licences', { 200: answers.licencePage }),
        querystring: z.object({
          organisation: plain.max(200).optional(),
          keyId: plain.max(64).optional(),
          suspected: z.stringbool().optional(),
          after: plain.max(64).optional(),
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
    {
      config: vendor,
      schema: {
        ...operation('correctLicence', 'Correct the terms of a licence', 'licences', { 200: answers.licence }),
        params: licenceParams,
        body: correction,
      },
    },
    async (request) => valueFrom(await correctLicence(deps, request.params.licenceId, request.body, byOf(request))),
  );
  const ofLicence = { params: licenceParams };
  const ofKey = { params: z.object({ keyId: plain.max(64) }) };
  /** Both by licence and by key; see Target. */
  const regenerate = (
    target: Target,
    body: z.infer<typeof regeneration>,
    request: FastifyRequest,
    reply: FastifyReply,
  ) => {
    const { supportOverride } = body ?? {};
    if (supportOverride !== undefined) vendorOnly(request, 'only support may go beyond the limit');
    return making(request, reply, (d) => regenerateKey(d, target, { ...byOf(request), supportOverride }));
  };
  const renew = (target: Target, body: z.infer<typeof renewal>, request: FastifyRequest, reply: FastifyReply) => {
    if (Object.keys(body ?? {}).length > 0) vendorOnly(request, 'only the vendor names the terms of an extension');
    return making(request, reply, (d) => renewKey(d, target, body ?? {}, byOf(request)));
  };
  const byLicence = `/v1/licences/:licenceId${word}`;
  const byKey = `/v1/keys/:keyId${word}`;
  http.post(
    `${byLicence}::regenerate`,
    {
      config: customer,
      schema: {
        ...operation('regenerateKeyOfLicence', 'A new key instead of the newest of a licence', 'keys', {
          201: answers.issuedKey,
        }),
        ...ofLicence,
        body: regeneration,
      },
    },
    (request, reply) => regenerate(request.params, request.body, request, reply),
  );
  http.post(
    `${byKey}::regenerate`,
    {
      config: customer,
      schema: {
        ...operation('regenerateKey', 'A new key instead of this one', 'keys', { 201: answers.issuedKey }),
        ...ofKey,
        body: regeneration,
      },
    },
    (request, reply) => regenerate(request.params, request.body, request, reply),
  );
  http.post(
    `${byLicence}::renew`,
    {
      config: customer,
      schema: {
        ...operation('renewKeyOfLicence', 'A key with the terms that a licence was prolonged to', 'keys', {
          201: answers.issuedKey,
        }),
        ...ofLicence,
        body: renewal,
      },
    },
    (request, reply) => renew(request.params, request.body, request, reply),
  );
  http.post(
    `${byKey}::renew`,
    {
      config: customer,
      schema: {
        ...operation('renewKey', 'A key with the terms that the licence of this one was prolonged to', 'keys', {
          201: answers.issuedKey,
        }),
        ...ofKey,
        body: renewal,
      },
    },
    (request, reply) => renew(request.params, request.body, request, reply),
  );
  http.post(
    '/v1/licences/:licenceId/renewals',
    {
      config: vendor,
      schema: {
        ...operation('grantRenewal', 'Grant what the next renewal will bring', 'licences', {
          201: answers.renewalGranted,
        }),
        ...ofLicence,
        body: granted,
      },
    },
    (request, reply) =>
      making(request, reply, (d) => grantRenewal(d, request.params.licenceId, request.body, byOf(request))),
  );
  http.get(
    '/v1/keys/:keyId',
    {
      config: customer,
      schema: {
        ...operation('keyAllowance', 'What may still be done with a key', 'keys', { 200: answers.allowance }),
        ...ofKey,
      },
    },
    async (request) => valueFrom(await keyAllowance(deps, request.params.keyId, byOf(request))),
  );
  const withReason = (id: string, summary: string) => ({
    config: vendor,
    schema: { ...operation(id, summary, 'keys', { 200: answers.keyNamed }), ...ofKey, body: because },
  });
  http.post(`${byKey}::revoke`, withReason('revokeKey', 'Revoke a key'), async (request) =>
    valueFrom(await revokeKey(deps, request.params.keyId, request.body.reason, byOf(request))),
  );
  http.post(
    `${byLicence}::revoke`,
    {
      config: vendor,
      schema: {
        ...operation('revokeLicence', 'Revoke a licence and its keys', 'licences', { 200: answers.licenceRevoked }),
        ...ofLicence,
        body: because,
      },
    },
    async (request) =>
      valueFrom(await revokeLicence(deps, request.params.licenceId, request.body.reason, byOf(request))),
  );
  http.post(`${byKey}::pardon`, withReason('pardonKey', 'Take back what a key is suspected of'), async (request) =>
    valueFrom(await pardonKey(deps, request.params.keyId, request.body.reason, byOf(request))),
  );

  // The key itself and the proof of the computer's identity are what a server shows: no token.
  const limited = (id: string, summary: string, response: object) => ({
    config: anyone,
    schema: { ...operation(id, summary, 'activations', response), body: activationRequest },
    onRequest: async ({ ip }: FastifyRequest) => deps.count('activation', ip),
  });
  /** What only a guess meets counts as a failure. */
  const answered = <T>(outcome: ActivationOutcome<T>, { ip }: FastifyRequest): T => {
    if (!outcome.ok && guessed.includes(outcome.fault.reason)) deps.count('failure', ip);
    return activationOf(outcome);
  };
  http.post(
    '/v1/activations',
    limited('activate', 'Activate a key for a server', { 200: answers.activation }),
    async (request) =>
      answered(await activate(deps, request.body, online, { actor: 'server', address: request.ip }), request),
  );
  http.post(
    '/v1/activations::check',
    limited('checkActivation', 'Whether a key would be activated', { 200: answers.activationCheck }),
    async (request) => answered(await checkActivation(deps, request.body, online), request),
  );
  // A request file is days old when a person hands it in: the token stands in for its freshness.
  http.post(
    '/v1/activations::respond',
    {
      config: customer,
      schema: {
        ...operation('respond', 'Answer a request file', 'activations', { 200: answers.activation }),
        body: activationRequest,
      },
    },
    async (request) => activationOf(await activate(deps, request.body, byHand, byOf(request))),
  );

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
      config: vendor,
      schema: operation('listSigningKeys', 'The signing keys and their states', 'signing', {
        200: answers.signingKeys,
      }),
    },
    async () => {
      await deps.signingKeys.reload();
      return { keys: deps.signingKeys.list() };
    },
  );
  const ofSigningKey = (id: string, summary: string) => ({
    config: vendor,
    schema: {
      ...operation(id, summary, 'signing', { 200: answers.signingKey }),
      params: z.object({ kid: plain.max(100) }),
    },
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
      config: vendor,
      schema: operation('addSigningKey', 'Make the next signing key', 'signing', { 201: answers.signingKey }),
    },
    async (request, reply) => {
      const kid = await changing(request, 'add-signing-key', (nowMs) => deps.signingKeys.add(nowMs));
      return reply.code(201).send({ kid, state: 'next' });
    },
  );
  http.post(
    `/v1/signing-keys/:kid${word}::activate`,
    ofSigningKey('activateSigningKey', 'Sign with this key from now on'),
    async (request) => {
      const { kid } = request.params;
      await changing(request, 'activate-signing-key', async () => {
        if ((await deps.signingKeys.activate(kid)) === 'unknown') throw new ProblemError(noSuchSigningKey);
        return kid;
      });
      return { kid, state: 'active' };
    },
  );
  http.post(
    `/v1/signing-keys/:kid${word}::withdraw`,
    ofSigningKey('withdrawSigningKey', 'Believe this key no more'),
    async (request) => {
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
    },
  );
  http.get(
    '/v1/audit',
    {
      config: vendor,
      schema: {
        ...operation('listAudit', 'What was done, the newest first', 'history', { 200: answers.auditPage }),
        querystring: z.object({
          licenceId: plain.max(64).optional(),
          before: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional().meta({ format: 'int64' }),
          limit: z.coerce.number().int().min(1).max(500).default(100),
        }),
      },
    },
    async ({ query: { licenceId, before, limit } }) => {
      const page = { limit, ...(licenceId ? { licenceId } : {}), ...(before === undefined ? {} : { before }) };
      const entries = await deps.transact((client) => readAudit(client, page));
      const next = entries.length === limit ? entries.at(-1)?.id : undefined;
      return { entries, ...(next === undefined ? {} : { before: next }) };
    },
  );
}

function byOf({ ip: address, actor: { role, token, organisation: own } }: FastifyRequest): By {
  const isVendor = role === 'vendor';
  const who = { address, token, isVendor };
  return own === undefined ? { ...who, actor: role } : { ...who, actor: `${role} ${own}`, organisation: own };
}

const noSuchSigningKey: Problem = {
  status: 404,
  reason: 'SigningKeyUnknown',
  detail: 'there is no such signing key; see /.well-known/jwks.json',
};

function vendorOnly({ actor }: FastifyRequest, detail: string): void {
  if (actor.role !== 'vendor') throw new ProblemError({ status: 403, reason: 'RoleMissing', detail });
}

function valueFrom<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new ProblemError(problemOf(outcome));
}

function problemOf(refusal: Refusal): Problem {
  const { reason, detail } = refusal;
  switch (refusal.reason) {
    case 'RegenerationLimit': {
      const extra = { regenerationsLeft: 0, regenerationsResetAt: refusal.resetAt };
      return { status: 409, reason, detail, extra };
    }
    case 'KeySuperseded': {
      const { newestKeyId, newestGeneration } = refusal;
      return { status: 409, reason, detail, extra: { newestKeyId, newestGeneration } };
    }
    case 'KeyRevoked':
    case 'NothingToRenew':
    case 'OrganisationTaken':
    case 'TermsPast':
    case 'TermsShorter':
      return { status: 409, reason, detail };
    case 'IdempotencyKeyReused':
      return { status: 422, reason, detail };
    default:
      return { status: 404, reason, detail };
  }
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
