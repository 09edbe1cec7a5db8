import { z } from 'zod';
import { bounds, countings, denialReasons, leaseModes, supportPolicies } from '../../licence/words.ts';
import { dayOrMoment, growing, moment, named, problemWith, withoutNul } from '../../runtime/schemas.ts';
import { leaseOrders } from './leaseList.ts';
import { longestFeature, longestWaitSeconds, mostHeartbeats, mostHours, mostSeats, mostSessions } from './requests.ts';

/** The shapes of the seat routes, for the OpenAPI document and for the routes that are not on the hot path. */
/** What the reader of requests (requests.ts) checks by hand, as a pattern for the document. */
const printable = { pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$' };
const atMostUnits = `at most ${bounds.holderPart} UTF-16 units, no control characters, no line separators`;
const part = (what: string) =>
  z
    .string()
    .min(1)
    .max(bounds.holderPart)
    .meta({ ...printable, description: `${what}; ${atMostUnits}` });
const product = z
  .string()
  .min(1)
  .max(bounds.product)
  .meta({ ...printable, description: 'the product that the seat is of' });
const session = z
  .string()
  .max(bounds.holderPart)
  .optional()
  .meta({ ...printable, description: 'tells apart sessions of one user on one host' });
const user = part('the user');
const host = part('the computer the person sits at');
const base = part('the infobase');
const names = "base, user and host are compared without regard to case, in Unicode's NFC form";
const instance = z.string().optional().meta({
  format: 'uuid',
  description:
    'which instance of the base this is: a UUID made once and kept in the base. The first instance owns the name; another is refused (BaseInstanceConflict)',
});

const askedFeature = z
  .string()
  .min(1)
  .max(longestFeature)
  .optional()
  .meta({
    ...printable,
    description: 'the feature that the seat is for; one that no active key has is FeatureNotLicensed',
  });
const askedSeats = z
  .int()
  .min(1)
  .max(mostSeats)
  .optional()
  .describe('seats to take at once, all or none; absent: 1. Another number or feature is another lease');
const takenSeats = z.int().optional().describe('how many seats the lease is, where that is not one');
const weights = z
  .record(z.string(), z.int())
  .describe('seats that one of a feature costs, where that is more than one');

export const holder = named('Holder', z.object({ base, user, host, session }).describe(names));
const heldBy = named(
  'LeaseHolder',
  z.object({ base: z.string(), user: z.string(), host: z.string(), session: z.string() }),
);
const seats = named(
  'SeatCounts',
  z.object({
    limit: z.int(),
    inUse: z.int(),
    reserved: z.int().optional().describe('of a refusal: free seats that are kept for others'),
  }),
);
const programReleasedOn = z
  .string()
  .optional()
  .meta({ ...dayOrMoment, description: 'release date of the program, YYYY-MM-DD or RFC 3339' });
const support = named('Support', z.object({ state: growing(['valid', 'expired']), until: moment.optional() }));
const leaseId = z
  .string()
  .meta({ format: 'uuid', description: 'the id that the check-out answered, a UUID of version 7 in lower case' });
const heartbeatAfterSeconds = z.int().optional().describe('send the next heartbeat after so many seconds');
export const denied = problemWith('SeatProblem', {
  reason: growing(denialReasons),
  seats: seats.optional(),
  queue: named('QueuePlace', z.object({ position: z.int() }))
    .optional()
    .describe('the place in the queue; keep it by asking again with wait'),
  rule: z.string().optional().describe('of NotPermitted and RuleLimit: the name of the rule'),
});

export const checkOutBody = named(
  'CheckOutRequest',
  z.object({
    product,
    holder,
    mode: z
      .enum(['leased', 'sticky', 'borrowed'])
      .default('leased')
      .describe('leased: kept by heartbeats; sticky: until given back; borrowed: taken along for so many hours'),
    hours: z
      .int()
      .min(1)
      .max(mostHours)
      .optional()
      .describe('of mode borrowed, and needed there: for how long; as far as the licence allows'),
    programReleasedOn,
    instance,
    feature: askedFeature,
    seats: askedSeats,
    nonce: z.string().min(1).max(256).optional().describe('comes back in a signed proof'),
    wait: z.int().min(0).max(longestWaitSeconds).optional().describe('seconds to wait for a seat, in a fair queue'),
  }),
);
const features = z.array(z.string()).describe('features of the active licences of the product');
const trial = z.boolean().optional().describe('true: all licences in force are trials; else absent');
const countBy = growing(countings)
  .optional()
  .describe('what one seat is: leases with the same user, host, both or base share it; absent: each session is a seat');
const overdraft = z.boolean().optional().describe('true: the seat is one beyond the limit of the licence; else absent');
export const grant = named(
  'CheckOutResult',
  z.object({
    leaseId,
    expiresAt: moment.optional().describe('absent for a lease that does not expire by itself'),
    heartbeatAfterSeconds,
    seats,
    support,
    features,
    trial,
    countBy,
    weights: weights.optional(),
    feature: z.string().optional().describe('as it was asked for'),
    seatsTaken: takenSeats,
    overdraft,
    proof: z.string().optional().describe('signed lease, a compact JWS; only with a nonce, or of a borrowed seat'),
  }),
);
/** A 204. */
export const nothing = z.null().describe('done');
export const leaseParams = z.object({ leaseId });
export const giveBackQuery = z.object({
  instance: instance.describe("of another instance's base: nothing is given back"),
});
export const heartbeatAnswer = named('Heartbeat', z.object({ expiresAt: moment.optional(), heartbeatAfterSeconds }));
export const heartbeatsBody = named(
  'HeartbeatsRequest',
  z.object({ leaseIds: z.array(leaseId).min(1).max(mostHeartbeats) }),
);
export const heartbeatsAnswer = named(
  'HeartbeatsResult',
  z.object({
    expiresAt: moment.describe('of all that were renewed and expire'),
    heartbeatAfterSeconds,
    renewed: z.int(),
    lost: z.array(leaseId).describe('leases that are gone: check out again'),
  }),
);
export const baseParams = z.object({ base });
export const sessionsBody = named(
  'SessionReport',
  z.object({
    base: base
      .optional()
      .describe('the base of the path once more, for clients that spell paths in a way of their own'),
    instance,
    sessions: z
      .array(
        named(
          'ReportedSession',
          z.object({ product, user, host, session, programReleasedOn, feature: askedFeature, seats: askedSeats }),
        ),
      )
      .max(mostSessions),
  }),
);
export const sessionsAnswer = named(
  'SessionReportResult',
  z.object({
    base: z.string(),
    released: z.int().describe('seats of sessions that were absent'),
    sessions: z.array(
      named(
        'SessionResult',
        z.object({
          product: z.string(),
          user: z.string(),
          host: z.string(),
          session: z.string(),
          outcome: growing(['granted', 'renewed', 'denied']),
          leaseId: leaseId.optional(),
          overdraft,
          reason: growing(denialReasons).optional(),
          rule: z.string().optional().describe('of NotPermitted and RuleLimit: the name of the rule'),
        }),
      ),
    ),
    products: z
      .array(
        named('ProductTerms', z.object({ product: z.string(), features, trial, countBy, weights: weights.optional() })),
      )
      .describe('what the licences of the products in the report grant beside seats'),
  }),
);

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
