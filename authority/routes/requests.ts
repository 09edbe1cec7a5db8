import { z } from 'zod';
import { isFingerprint } from '../../licence/fingerprint.ts';
import { assignments, bounds, countings, reassignAfter, supportPolicies } from '../../licence/words.ts';
import { named, withoutNul } from '../../runtime/schemas.ts';

// The shapes of what is asked of the authority.

export const plain = z.string().regex(withoutNul, 'must have no NUL character');
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
const countBy = z.enum(countings).describe('what one seat is: leases with the same user, host, both or base share it');
const overdraftSeats = z
  .int()
  .min(0)
  .max(10_000_000)
  .describe('seats that may be in use beyond seatLimit, once all are');
const weights = z
  .record(plain.min(1).max(100).regex(/\D/, 'must not be a number'), z.int().min(1).max(10_000))
  .refine((w) => Object.keys(w).length <= 100, 'at most 100 features')
  .describe('seats that one of a feature costs; what is not named costs one');
const borrow = z
  .object({ maxHours: z.int().min(0).max(8_784), keepFree: z.int().min(0).max(10_000_000).default(0) })
  .describe('how far seats may be borrowed: they are taken along, and cannot be called back; maxHours 0: not at all');
const naming = {
  assignment: z
    .enum(assignments)
    .optional()
    .describe("named: seats are persons' who are named, and countBy is user; floating: they are whoever's"),
  reassignAfterDays: z
    .int()
    .min(0)
    .max(reassignAfter.max)
    .optional()
    .describe(`of named users: a seat is a person's for so many days at least; absent: ${reassignAfter.default}`),
};
const seatLimit = z.int().min(0).max(10_000_000);
export const issueRequest = named(
  'IssueRequest',
  z
    .object({
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
      countBy: countBy.optional(),
      overdraftSeats: overdraftSeats.optional(),
      weights: weights.optional(),
      borrow: borrow.optional(),
      ...naming,
      trial: z.literal(true).optional().describe('given for a while to try the product; needs expiresAt'),
    })
    .refine((r) => r.assignment !== 'named' || r.countBy === undefined || r.countBy === 'user', {
      path: ['countBy'],
      message: 'seats of named users are counted by user',
    })
    .refine((r) => r.reassignAfterDays === undefined || r.assignment === 'named', {
      path: ['reassignAfterDays'],
      message: 'belongs to the assignment named',
    })
    .refine((r) => r.trial === undefined || r.expiresAt !== undefined, {
      path: ['trial'],
      message: 'a trial has an end: name expiresAt',
    }),
);
const terms = z.object({
  seatLimit: seatLimit.optional(),
  supportUntil: moment.optional(),
  expiresAt: moment.optional(),
});
export const correction = z
  .object({
    ...forced,
    seatLimit: seatLimit.optional(),
    supportUntil: moment.nullish().describe('null: no end any more'),
    expiresAt: moment.nullish().describe('null: no end any more'),
    organisation: organisation.optional(),
    organisationId: organisationId.optional(),
    supportPolicy: z.enum(supportPolicies).optional(),
    features: features.optional(),
    countBy: countBy.optional(),
    overdraftSeats: overdraftSeats.optional(),
    weights: weights.optional(),
    borrow: borrow.optional(),
    ...naming,
  })
  .refine(
    (c) => c.organisationId === undefined || c.organisation !== undefined,
    'organisationId needs the organisation, too',
  );
export const activationRequest = named(
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
export const regeneration = z.object({ supportOverride: text(500).optional() }).nullish();
export const renewal = terms.extend(forced).nullish();
export const granted = z
  .object({ ...terms.shape, ...forced, reference: text(200).optional() })
  .refine((g) => [g.seatLimit, g.supportUntil, g.expiresAt].some((v) => v !== undefined), 'must prolong something');
export const because = named('Because', z.object({ reason: text(500) }));
export const ofLicence = { params: z.object({ licenceId: plain.max(64) }) };
export const ofKey = { params: z.object({ keyId: plain.max(64) }) };
export const ofSigningKey = { params: z.object({ kid: plain.max(100) }) };
