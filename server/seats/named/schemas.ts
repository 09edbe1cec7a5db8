import { z } from 'zod';
import { bounds } from '../../../licence/words.ts';
import { moment, named, withoutNul } from '../../../runtime/schemas.ts';
import { partFault } from '../holderKey.ts';

/** The shapes of the routes about persons whose seats are. */
const product = z
  .string()
  .min(1)
  .max(bounds.product)
  .regex(withoutNul, 'must not contain control characters')
  .describe('a product whose licence is for named users');
const user = z
  .string()
  .trim()
  .min(1)
  .max(bounds.holderPart)
  .refine((name) => partFault('user', name, false) === undefined, 'must not contain control characters')
  .describe("the user's name; case does not matter");
/** Persons of one request. */
const mostPersons = 100_000;
const users = z.array(user).max(mostPersons);

export const assignmentsQuery = z.object({ product: product.optional() });
export const assignmentsAnswer = named(
  'AssignmentList',
  z.object({
    products: z.array(
      named(
        'NamedProduct',
        z.object({
          product: z.string(),
          seatLimit: z.int().describe('persons who may have a seat'),
          reassignAfterDays: z.int().describe("a seat is a person's for so many days at least"),
          assignments: z.array(
            named(
              'Assignment',
              z.object({
                user: z.string(),
                assignedAt: moment,
                reassignableFrom: moment.describe("from then on the seat may be made somebody else's"),
                lastUsedAt: moment.optional().describe('to the hour; absent: never'),
                inUse: z.boolean().describe('the user has a seat at this moment'),
              }),
            ),
          ),
        }),
      ),
    ),
  }),
);
export const tableQuery = z.object({ product });
export const changeBody = named(
  'AssignmentChange',
  z.object({
    product,
    assign: users.optional().describe('who is to have a seat; who has one already keeps it'),
    remove: users.optional().describe('who is to have none any more; with `assign` seats move'),
    table: z
      .string()
      .max(8_000_000)
      .optional()
      .describe(
        'instead of the two: a table by RFC 4180, which becomes the whole list; the column `user` counts, or else the first one',
      ),
    reason: z.string().trim().min(1).max(500).optional().describe('kept in the audit'),
  }),
);
export const changed = named(
  'AssignmentChangeResult',
  z.object({
    assigned: z.int(),
    removed: z.int(),
    ended: z.int().describe('leases of those who were removed: they have ended'),
  }),
);
export const names = users;
