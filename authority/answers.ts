import { z } from 'zod';
import { countings } from '../licence/words.ts';
import { growing, int64, moment, named } from '../runtime/schemas.ts';

/** The shapes of the authority's answers, for its OpenAPI document; nothing is left out of an answer by them. */
const madeBy = growing(['issue', 'regenerate', 'renew']);
const terms = { seatLimit: z.int().optional(), supportUntil: moment.optional(), expiresAt: moment.optional() };
const budget = { regenerationsLeft: z.int(), regenerationsResetAt: moment };
const renewalTerms = named('RenewalTerms', z.object(terms));
const entitlements = {
  licenceId: z.string(),
  organisation: z.string(),
  product: z.string(),
  seatLimit: z.int(),
  supportUntil: moment.optional(),
  expiresAt: moment.optional(),
  supportPolicy: growing(['warn', 'require']),
  features: z.array(z.string()),
  trial: z.boolean().optional().describe('true: given for a while to try the product'),
  countBy: growing(countings).optional().describe('what one seat is; absent: a session'),
  overdraftSeats: z.int().optional().describe('seats that may be in use beyond seatLimit'),
  weights: z.record(z.string(), z.int()).optional().describe('seats that one of a feature costs; absent: one'),
  borrow: z
    .object({ maxHours: z.int(), keepFree: z.int() })
    .optional()
    .describe('how far seats may be borrowed; absent: not at all'),
  assignment: growing(['named']).optional().describe("named: seats are persons' who are named; absent: whoever's"),
  reassignAfterDays: z.int().optional().describe("of named users: a seat is a person's for so many days at least"),
};

export const issuedKey = named(
  'IssuedKey',
  z.object({
    licenceId: z.string(),
    key: z.string().describe('shown once'),
    keyId: z.string(),
    generation: z.int(),
    ...budget,
    ...terms,
    trial: z.boolean().optional(),
  }),
);
const keyView = named(
  'Key',
  z.object({
    keyId: z.string(),
    generation: z.int(),
    madeBy,
    madeAt: moment.optional(),
    seatLimit: z.int(),
    supportUntil: moment.optional(),
    expiresAt: moment.optional(),
    fingerprint: z.string().optional(),
    boundAt: moment.optional(),
    activatedAt: moment.optional(),
    sequence: z.int(),
    cloneSuspectedAt: moment.optional(),
    revokedAt: moment.optional(),
    revokedReason: z.string().optional(),
  }),
);
export const licence = named(
  'Licence',
  z.object({
    ...entitlements,
    organisationId: z.string(),
    revokedAt: moment.optional(),
    ...budget,
    renewal: renewalTerms.optional(),
    keys: z.array(keyView).describe('the newest first'),
  }),
);
export const licencePage = named(
  'LicencePage',
  z.object({ licences: z.array(licence), after: z.string().optional().describe('where the next page begins') }),
);
export const renewalGranted = named('Renewal', z.object({ licenceId: z.string(), renewal: renewalTerms }));
export const allowance = named(
  'KeyAllowance',
  z.object({
    licenceId: z.string(),
    organisation: z.string(),
    product: z.string(),
    keyId: z.string(),
    generation: z.int(),
    newestKeyId: z.string(),
    newestGeneration: z.int(),
    madeBy: madeBy.optional(),
    newestMadeBy: madeBy.optional(),
    revokedAt: moment.optional(),
    newestRevokedAt: moment.optional(),
    ...budget,
    renewal: renewalTerms.optional(),
  }),
);
export const keyNamed = named('KeyNamed', z.object({ keyId: z.string() }));
export const licenceRevoked = named('LicenceRevoked', z.object({ licenceId: z.string(), keyIds: z.array(z.string()) }));
export const activation = named(
  'Activation',
  z.object({ activation: z.string().describe('a compact JWS'), ...budget, cloneSuspected: z.boolean().optional() }),
);
export const activationCheck = named(
  'ActivationCheck',
  z.object({
    keyId: z.string(),
    generation: z.int(),
    entitlements: named('Entitlements', z.object(entitlements)),
    ...budget,
  }),
);
const state = growing(['next', 'active', 'retired', 'withdrawn']);
export const signingKey = named('SigningKey', z.object({ kid: z.string(), state }));
export const signingKeys = named(
  'SigningKeyList',
  z.object({
    keys: z.array(named('SigningKeyView', z.object({ kid: z.string(), state, createdAt: moment }))),
  }),
);
export const jwks = named(
  'JwkSet',
  z.object({
    keys: z.array(
      named(
        'Jwk',
        z.object({
          kty: z.string(),
          crv: z.string(),
          x: z.string(),
          kid: z.string(),
          alg: z.string().optional(),
          use: z.string().optional(),
        }),
      ),
    ),
  }),
);
export const jws = {
  description: 'a compact JWS of the key set',
  content: { 'application/jose': { schema: z.string() } },
};
export const auditPage = named(
  'AuditPage',
  z.object({
    entries: z.array(
      named(
        'AuditEntry',
        z.object({
          id: int64,
          at: moment,
          actor: z.string(),
          action: z.string(),
          outcome: z.string(),
          licenceId: z.string().optional(),
          keyId: z.string().optional(),
          fingerprint: z.string().optional(),
          detail: z.string().optional(),
          address: z.string().optional(),
          token: z.string().optional(),
          person: z.string().optional().describe('who was signed in to the cabinet'),
        }),
      ),
    ),
    before: int64.optional().describe('where the next page begins'),
  }),
);
