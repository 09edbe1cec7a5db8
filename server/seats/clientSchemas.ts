import { z } from 'zod';
import { bounds, countings, denialReasons } from '../../licence/words.ts';
import { dayOrMoment, growing, moment, named, problemWith } from '../../runtime/schemas.ts';
import { longestFeature, longestWaitSeconds, mostHeartbeats, mostHours, mostSeats, mostSessions } from './requests.ts';

/** The shapes of the routes of client programs, for the OpenAPI document. What the reader of requests (requests.ts) checks by hand stands as a pattern. */
const printable = { pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$' };
const atMostUnits = `at most ${bounds.holderPart} UTF-16 units, no control characters, no line separators`;
const part = (what: string) =>
  z
    .string()
    .min(1)
    .max(bounds.holderPart)
    .meta({ ...printable, description: `${what}; ${atMostUnits}` });
export const product = z
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
export const takenSeats = z.int().optional().describe('how many seats the lease is, where that is not one');
export const weights = z
  .record(z.string(), z.int())
  .describe('seats that one of a feature costs, where that is more than one');

export const holder = named('Holder', z.object({ base, user, host, session }).describe(names));
export const heldBy = named(
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
export const leaseId = z
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
export const features = z.array(z.string()).describe('features of the active licences of the product');
export const trial = z.boolean().optional().describe('true: all licences in force are trials; else absent');
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
const idle = z
  .boolean()
  .optional()
  .describe('the program is idle: where the rules say so, its seat is for whoever waits; absent: it is not');
export const heartbeatAnswer = named('Heartbeat', z.object({ expiresAt: moment.optional(), heartbeatAfterSeconds }));
export const heartbeatsBody = named(
  'HeartbeatsRequest',
  z.object({
    leaseIds: z.array(leaseId).min(1).max(mostHeartbeats),
    idleLeaseIds: z.array(leaseId).optional().describe('those of them whose programs are idle; absent: none'),
  }),
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
          z.object({ product, user, host, session, programReleasedOn, feature: askedFeature, seats: askedSeats, idle }),
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
