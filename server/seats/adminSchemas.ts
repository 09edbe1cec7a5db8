import { z } from 'zod';
import { bounds, countings, denialReasons, leaseModes, supportPolicies } from '../../licence/words.ts';
import { dayOrMoment, growing, moment, named, withoutNul } from '../../runtime/schemas.ts';
import { features, heldBy, leaseId, product, takenSeats, trial, weights } from './clientSchemas.ts';
import { leaseOrders } from './leaseList.ts';

/** The shapes of the routes of administrators: lists, products, bases, refusals, and giving seats back. */
const paging = {
  cursor: z
    .string()
    .max(6_000)
    .optional()
    .meta({ pattern: '^[A-Za-z0-9_-]+$', description: 'the nextCursor of the page before, as it came' }),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('entries of a page'),
};
const noZero = [withoutNul, 'must not contain control characters'] as const;
const filter = z
  .string()
  .max(bounds.holderPart)
  .regex(...noZero)
  .optional();
const leaseStates = ['active', 'stale', 'expired'] as const;
const leaseFilter = {
  product: filter,
  state: z.enum(leaseStates).optional(),
  base: filter,
  user: filter,
  host: filter,
  search: filter.describe('words, each of which is part of the name of base, user, host or session, in whatever case'),
};
const sort = z
  .enum(leaseOrders.flatMap((order) => [order, `-${order}`] as const))
  .optional()
  .describe('the order; with "-" the other way round; default: by product and base');
export const leasesQuery = z.object({ ...leaseFilter, sort, ...paging });
export const leasesTableQuery = z.object(leaseFilter);
export const peopleQuery = z.object({ product: filter, search: leaseFilter.search, ...paging });
export const peopleAnswer = named(
  'PeoplePage',
  z.object({
    people: z.array(
      named(
        'Person',
        z.object({
          user: z.string(),
          seats: z.int(),
          stale: z.int().describe('how many of them are stale'),
          since: moment.describe('when the first of them was taken'),
          renewedAt: moment.describe('when one of them was last heard of'),
          product: z.string().optional().describe('of all of them; absent: they are of several'),
          base: z.string().optional().describe('of all of them'),
          host: z.string().optional().describe('of all of them'),
        }),
      ),
    ),
    nextCursor: z.string().optional(),
  }),
);
export const leasesAnswer = named(
  'LeasePage',
  z.object({
    leases: z.array(
      named(
        'Lease',
        z.object({
          leaseId,
          product: z.string(),
          holder: heldBy,
          mode: growing(leaseModes),
          writtenOff: z.boolean().optional().describe('true: borrowed and written off; it counts until its end'),
          state: growing(leaseStates),
          acquiredAt: moment,
          renewedAt: moment,
          expiresAt: moment.optional(),
          idleSince: moment
            .optional()
            .describe('since when its program is idle; only where the rules bound that, else absent'),
          reservation: z.string().optional(),
          feature: z.string().optional().describe('that it was asked for'),
          seats: takenSeats,
          seat: z
            .string()
            .optional()
            .describe('leases of a product with the same value share one seat; absent: each lease is a seat'),
        }),
      ),
    ),
    nextCursor: z.string().optional(),
  }),
);
const reason = z.string().trim().min(1).max(500).describe('kept in the audit');
export const reasonBody = named('ReleaseRequest', z.object({ reason }));
export const writeOffAnswer = named(
  'WriteOffResult',
  z.object({ countsUntil: moment.describe('when it is free: nobody can call it back before') }),
);
export const releaseStaleBody = named(
  'ReleaseStaleRequest',
  z.object({ reason, product: product.regex(...noZero).optional() }),
);
export const releaseStaleAnswer = named(
  'ReleaseStaleResult',
  z.object({ released: z.int(), before: z.int(), kept: z.int() }),
);
export const productsAnswer = named(
  'ProductList',
  z.object({
    products: z.array(
      named(
        'Product',
        z.object({
          product: z.string(),
          seatLimit: z.int(),
          seatsInUse: z.int(),
          seatsAvailable: z.int(),
          seatsStale: z.int(),
          staleSince: moment.optional(),
          queueLength: z.int(),
          holdersWaiting: z.int(),
          reservations: z.array(
            named('ReservationCounts', z.object({ name: z.string(), seats: z.int(), inUse: z.int() })),
          ),
          supportUntil: moment.optional(),
          expiresAt: moment.optional(),
          features,
          trial,
          countBy: growing(countings).describe('what one seat is'),
          weights,
          overdraftSeats: z.int().describe('seats that may be in use beyond the limit'),
          borrow: z
            .object({ maxHours: z.int(), keepFree: z.int() })
            .optional()
            .describe('how far seats may be borrowed; absent: not at all'),
          seatsBorrowed: z.int().describe('seats that were taken along'),
          seatsLost: z.int().describe('borrowed seats that were written off'),
          seatsOverdrawn: z.int().describe('seats in use beyond the limit'),
          reassignAfterDays: z
            .int()
            .optional()
            .describe("there if the licence is for named users: a seat is a person's for so many days at least"),
          seatsAssigned: z.int().optional().describe("of named users: seats that are somebody's"),
          rules: z.array(
            named(
              'RuleCounts',
              z.object({ name: z.string(), max: z.int(), inUse: z.int().describe('seats that count for the rule') }),
            ),
          ),
          supportPolicy: growing(supportPolicies),
        }),
      ),
    ),
  }),
);
const baseConflict = named(
  'BaseConflict',
  z.object({
    base: z.string(),
    kind: growing(['instance', 'reports']).describe(
      "instance: one that does not own the name was refused; reports: two bases take each other's seats",
    ),
    instance: z.string().optional().describe('the one that was refused'),
    lastAt: moment,
  }),
);
export const baseConflicts = z.array(baseConflict);
export const basesQuery = z.object({
  after: filter.describe('the nextAfter of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100).describe('entries of a page'),
});
export const basesAnswer = named(
  'BasePage',
  z.object({
    bases: z.array(
      named(
        'Base',
        z.object({
          base: z.string(),
          instance: z.string().optional().describe('the instance that owns the name'),
          since: moment,
          conflict: baseConflict.optional(),
        }),
      ),
    ),
    nextAfter: z.string().optional(),
  }),
);
export const adoptBody = named(
  'AdoptRequest',
  z.object({
    instance: z.string().optional().meta({
      format: 'uuid',
      description: 'who owns the name from now on; absent: the instance that was refused last',
    }),
    reason,
  }),
);
export const adoptAnswer = named('AdoptResult', z.object({ base: z.string(), instance: z.string() }));

const since = z
  .string()
  .max(40)
  .optional()
  .meta({ ...dayOrMoment, description: 'YYYY-MM-DD or RFC 3339' });
const denialFilter = { product: filter, reason: z.enum(denialReasons).optional(), from: since, to: since };
export const denialsQuery = z.object({ ...denialFilter, ...paging });
export const denialsTableQuery = z.object(denialFilter);
export const denialsAnswer = named(
  'DenialPage',
  z.object({
    denials: z.array(
      named(
        'Denial',
        z.object({
          product: z.string(),
          holder: heldBy,
          reason: growing(denialReasons),
          firstAt: moment,
          lastAt: moment,
          attempts: z.int(),
          unmet: z.boolean().describe('without a seat a minute after the first refusal'),
          servedAt: moment.optional(),
        }),
      ),
    ),
    nextCursor: z.string().optional(),
  }),
);
