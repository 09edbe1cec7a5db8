import { z } from 'zod';
import { type KeyFault, type KeyFaultReason, keyFaultReasons } from '../../licence/keyFaults.ts';
import type { Http } from '../../runtime/httpShell.ts';
import { ProblemError } from '../../runtime/problem.ts';
import { growing, moment, named } from '../../runtime/schemas.ts';
import type { Identity } from './identity.ts';
import { keySources } from './keyRecords.ts';
import type { KeyOutcome, Keys } from './keys.ts';

const tags = ['keys'];
const fault = named('KeyFault', z.object({ reason: growing(keyFaultReasons), message: z.string() }));
const keyText = z.string().min(1).max(1_000).describe('the key as it was typed');
const product = z.string().min(1).max(63).optional().describe('refuse a key of any other product');
const source = z.enum(['web', 'api']).default('api').describe('who installs it');
const budget = {
  regenerationsLeft: z.int().optional().describe('new keys that may still be made this month'),
  regenerationsResetAt: moment.optional(),
};

export const keyStatusSchema = named(
  'Key',
  z.object({
    name: z.string().optional().describe('its name in the configuration'),
    keyId: z.string().optional(),
    state: growing(['Active', 'Pending', 'Refused', 'Superseded']),
    fault: fault.optional(),
    source: growing(keySources),
    generation: z.int().optional(),
    product: z.string().optional(),
    seatLimit: z.int().optional(),
    supportUntil: moment.optional(),
    expiresAt: moment.optional(),
    activatedAt: moment.optional(),
    ...budget,
  }),
);
const keyList = named('KeyList', z.object({ keys: z.array(keyStatusSchema), trouble: z.string().optional() }));
const checkAnswer = named(
  'KeyCheck',
  z.object({
    usable: z.boolean(),
    keyId: z.string().optional(),
    fault: fault.optional(),
    generation: z.int().optional(),
    product: z.string().optional(),
    seatLimit: z.int().optional(),
    ...budget,
  }),
);
const activationRequest = named(
  'ActivationRequest',
  z.object({
    key: z.string(),
    fingerprint: z.string(),
    publicKey: z.string(),
    sequence: z.int(),
    requestedAt: moment,
    signature: z.string(),
  }),
);
const activationAnswer = named(
  'ActivationAnswer',
  z.object({
    activation: z.string().min(1).max(20_000),
    regenerationsLeft: z.int().min(0).optional(),
    regenerationsResetAt: moment.optional(),
    cloneSuspected: z.boolean().optional(),
    source,
  }),
);
const admin = { role: 'admin' };

const statuses: Partial<Record<KeyFaultReason, number>> = {
  KeyMalformed: 400,
  KeyUnknown: 404,
  AuthorityUnreachable: 503,
  ActivationUnwritable: 503,
  AuthorityUntrusted: 502,
  AuthorityRefused: 502,
};
const statusOf = (reason: KeyFaultReason): number => statuses[reason] ?? 409;
const ofFaults = Object.groupBy(['InvalidRequest' as const, ...keyFaultReasons], (reason) =>
  reason === 'InvalidRequest' ? 400 : statusOf(reason),
) as Record<number, string[]>;
/** A route that answers what is wrong with a key. */
const withFaults = { ...admin, refusals: ofFaults };

/** The routes of keys, activation and identity. */
export function registerKeyRoutes(http: Http, keys: Keys, identity: Identity): void {
  http.get(
    '/v1/keys',
    {
      config: admin,
      schema: { operationId: 'listKeys', summary: 'Every key the server knows', tags, response: { 200: keyList } },
    },
    () => {
      const { keys: all, trouble } = keys.status();
      return { keys: [...all], ...(trouble === undefined ? {} : { trouble }) };
    },
  );
  http.post(
    '/v1/keys',
    {
      config: withFaults,
      schema: {
        operationId: 'installKey',
        summary: 'Activate a key and install it',
        tags,
        body: named('InstallKeyRequest', z.object({ key: keyText, product, source })),
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
        operationId: 'checkKey',
        summary: 'Whether a key would work here, without switching anything',
        tags,
        description:
          'Without an activation the authority is asked; with one it is verified as an installed one would be, and nobody is asked.',
        body: named(
          'CheckKeyRequest',
          z.object({
            key: keyText,
            product,
            activation: z.string().min(1).max(20_000).optional().describe('a compact JWS, as the vendor answered it'),
          }),
        ),
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
      config: { ...admin, refusals: { 404: ['KeyUnknown'], 409: ['KeyConfigured'] } },
      schema: {
        operationId: 'removeKey',
        summary: 'Remove an installed key',
        tags,
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
      config: withFaults,
      schema: {
        operationId: 'getActivationRequest',
        summary: 'The request file of an air-gapped activation of a configured key',
        tags,
        querystring: z.object({ name: z.string().optional().describe('the key; needed if several are configured') }),
        response: { 200: activationRequest },
      },
    },
    async ({ query }) => requested(await keys.request({ name: query.name ?? onlyName(keys) })),
  );
  http.post(
    '/v1/activation/request',
    {
      config: withFaults,
      schema: {
        operationId: 'createActivationRequest',
        summary: 'The request file of an air-gapped activation of any key',
        tags,
        body: named('ActivationRequestOf', z.object({ key: keyText })),
        response: { 200: activationRequest },
      },
    },
    async ({ body }) => requested(await keys.request(body)),
  );
  http.post(
    '/v1/activation/response',
    {
      config: withFaults,
      schema: {
        operationId: 'installActivation',
        summary: 'Install the answer of an air-gapped activation',
        tags,
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
        operationId: 'identity',
        summary: 'Who this server is',
        tags,
        response: { 200: named('Identity', z.object({ fingerprint: z.string(), publicKey: z.string() })) },
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
  const status = statusOf(reason);
  return { status, reason, detail: message, ...(status === 503 ? { retryAfterSeconds: 30 } : {}) };
};
