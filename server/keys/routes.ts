import { z } from 'zod';
import { type KeyFault, keyFaultReasons } from '../../licence/keyFaults.ts';
import type { Http } from '../../runtime/httpShell.ts';
import { ProblemError } from '../../runtime/problem.ts';
import type { Identity } from './identity.ts';
import { keySources } from './keyRecords.ts';
import type { KeyOutcome, Keys } from './keys.ts';

const moment = z.string().describe('RFC 3339, UTC');
const fault = z.object({ reason: z.enum(keyFaultReasons), message: z.string() });
const keyText = z.string().min(1).max(1_000).describe('the key as it was typed');
const product = z.string().min(1).max(63).optional().describe('refuse a key of any other product');
const source = z.enum(['web', 'api']).default('api').describe('who installs it');
const budget = {
  regenerationsLeft: z.int().optional().describe('new keys that may still be made this month'),
  regenerationsResetAt: moment.optional(),
};

export const keyStatusSchema = z.object({
  name: z.string().optional().describe('its name in the configuration'),
  keyId: z.string().optional(),
  state: z.enum(['Active', 'Pending', 'Refused', 'Superseded']),
  fault: fault.optional(),
  source: z.enum(keySources),
  generation: z.int().optional(),
  product: z.string().optional(),
  seatLimit: z.int().optional(),
  supportUntil: moment.optional(),
  expiresAt: moment.optional(),
  activatedAt: moment.optional(),
  ...budget,
});
const keyList = z.object({ keys: z.array(keyStatusSchema), trouble: z.string().optional() });
const checkAnswer = z.object({
  usable: z.boolean(),
  keyId: z.string().optional(),
  fault: fault.optional(),
  generation: z.int().optional(),
  product: z.string().optional(),
  seatLimit: z.int().optional(),
  ...budget,
});
const activationRequest = z.object({
  key: z.string(),
  fingerprint: z.string(),
  publicKey: z.string(),
  sequence: z.int(),
  requestedAt: moment,
  signature: z.string(),
});
const activationAnswer = z.object({
  activation: z.string().min(1).max(20_000),
  regenerationsLeft: z.int().min(0).optional(),
  regenerationsResetAt: moment.optional(),
  cloneSuspected: z.boolean().optional(),
  source,
});
const admin = { role: 'admin' };

/** The routes of keys, activation and identity. */
export function registerKeyRoutes(http: Http, keys: Keys, identity: Identity): void {
  http.get(
    '/v1/keys',
    { config: admin, schema: { summary: 'Every key the server knows', response: { 200: keyList } } },
    () => {
      const { keys: all, trouble } = keys.status();
      return { keys: [...all], ...(trouble === undefined ? {} : { trouble }) };
    },
  );
  http.post(
    '/v1/keys',
    {
      config: admin,
      schema: {
        summary: 'Activate a key and install it',
        body: z.object({ key: keyText, product, source }),
        response: { 201: keyStatusSchema },
      },
    },
    async ({ body }, reply) => reply.code(201).send(installed(await keys.install(body.key, body.source, body.product))),
  );
  http.post(
    '/v1/keys::check',
    {
      config: admin,
      schema: {
        summary: 'Whether a key would work here, without switching anything',
        description:
          'Without an activation the authority is asked; with one it is verified as an installed one would be, and nobody is asked.',
        body: z.object({
          key: keyText,
          product,
          activation: z.string().min(1).max(20_000).optional().describe('a compact JWS, as the vendor answered it'),
        }),
        response: { 200: checkAnswer },
      },
    },
    ({ body: { key, product, activation } }) =>
      keys.check({
        key,
        ...(product === undefined ? {} : { product }),
        ...(activation === undefined ? {} : { activation }),
      }),
  );
  http.delete(
    '/v1/keys/:keyId',
    {
      config: admin,
      schema: {
        summary: 'Remove an installed key',
        params: z.object({ keyId: z.string() }),
        response: { 204: z.null().describe('removed') },
      },
    },
    async ({ params }, reply) => {
      const outcome = await keys.remove(params.keyId);
      if (outcome === 'removed') return reply.code(204).send(null);
      throw new ProblemError(
        outcome === 'unknown'
          ? { status: 404, reason: 'KeyUnknown', detail: 'no such key is installed; see GET /v1/keys' }
          : {
              status: 409,
              reason: 'KeyConfigured',
              detail: 'the configuration names this key, so it would come back; take it out of the configuration',
            },
      );
    },
  );
  http.get(
    '/v1/activation/request',
    {
      config: admin,
      schema: {
        summary: 'The request file of an air-gapped activation of a configured key',
        querystring: z.object({ name: z.string().optional().describe('the key; needed if several are configured') }),
        response: { 200: activationRequest },
      },
    },
    async ({ query }) => requested(await keys.request({ name: query.name ?? onlyName(keys) })),
  );
  http.post(
    '/v1/activation/request',
    {
      config: admin,
      schema: {
        summary: 'The request file of an air-gapped activation of any key',
        body: z.object({ key: keyText }),
        response: { 200: activationRequest },
      },
    },
    async ({ body }) => requested(await keys.request(body)),
  );
  http.post(
    '/v1/activation/response',
    {
      config: admin,
      schema: {
        summary: 'Install the answer of an air-gapped activation',
        body: activationAnswer,
        response: { 201: keyStatusSchema },
      },
    },
    async ({ body: { source: from, activation, regenerationsLeft, regenerationsResetAt } }, reply) => {
      const budgetKnown = regenerationsLeft !== undefined && regenerationsResetAt !== undefined;
      const answer = { activation, ...(budgetKnown ? { regenerationsLeft, regenerationsResetAt } : {}) };
      return reply.code(201).send(installed(await keys.respond(answer, from)));
    },
  );
  http.get(
    '/v1/identity',
    {
      config: { role: 'client' },
      schema: {
        summary: 'Who this server is',
        response: { 200: z.object({ fingerprint: z.string(), publicKey: z.string() }) },
      },
    },
    () => ({ fingerprint: identity.fingerprint, publicKey: identity.publicKey }),
  );
}

function onlyName(keys: Keys): string {
  const names = keys.status().keys.flatMap((k) => (k.name === undefined ? [] : [k.name]));
  const [name] = names;
  if (name !== undefined && names.length === 1) return name;
  const detail =
    name === undefined
      ? 'no key is configured; POST /v1/activation/request takes any key'
      : `several keys are configured; say ?name= with one of ${names.join(', ')}`;
  throw new ProblemError({ status: 400, reason: 'InvalidRequest', detail });
}

function installed(outcome: KeyOutcome): z.infer<typeof keyStatusSchema> {
  if (outcome.ok) return outcome.key;
  throw new ProblemError(problemOf(outcome.fault));
}

function requested(outcome: Awaited<ReturnType<Keys['request']>>) {
  if (outcome.ok) return outcome.request;
  throw new ProblemError(problemOf(outcome.fault));
}

const problemOf = ({ reason, message }: KeyFault) => {
  const shared = { reason, detail: message };
  switch (reason) {
    case 'KeyMalformed':
      return { status: 400, ...shared };
    case 'KeyUnknown':
      return { status: 404, ...shared };
    case 'AuthorityUnreachable':
    case 'ActivationUnwritable':
      return { status: 503, retryAfterSeconds: 30, ...shared };
    case 'AuthorityUntrusted':
    case 'AuthorityRefused':
      return { status: 502, ...shared };
    default:
      return { status: 409, ...shared };
  }
};
