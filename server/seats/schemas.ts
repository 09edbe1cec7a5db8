import { z } from 'zod';
import { bounds, denialReasons, leaseModes, supportPolicies } from '../../licence/words.ts';
import { longestWaitSeconds, mostHeartbeats, mostSessions } from './requests.ts';

/** The shapes of the seat routes, for the OpenAPI document and for the routes that are not on the hot path. */
const moment = z.string().describe('RFC 3339, UTC');
const part = (what: string) => z.string().min(1).max(bounds.holderPart).describe(what);
const product = z.string().min(1).max(bounds.product).describe('the product that the seat is of');
const session = z.string().max(bounds.holderPart).optional().describe('tells apart sessions of one user on one host');
const user = part('the user');
const host = part('the computer the person sits at');

export const holder = z.object({ base: part('the infobase'), user, host, session });
const heldBy = z.object({ base: z.string(), user: z.string(), host: z.string(), session: z.string() });
const seats = z.object({
  limit: z.int(),
  inUse: z.int(),
  reserved: z.int().optional().describe('of a refusal: free seats that are kept for others'),
});
const programReleasedOn = z.string().optional().describe('release date of the program, YYYY-MM-DD or RFC 3339');
const leaseId = z.string().describe('the id that the check-out answered');
const heartbeatAfterSeconds = z.int().optional().describe('send the next heartbeat after so many seconds');

export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  reason: z.string().describe('stable, for programs'),
  detail: z.string().describe('one sentence for a person'),
});
export const denied = problem.extend({
  seats: seats.optional(),
  queue: z
    .object({ position: z.int() })
    .optional()
    .describe('the place in the queue; keep it by asking again with wait'),
});

export const checkOutBody = z.object({
  product,
  holder,
  mode: z.enum(['leased', 'sticky']).default('leased').describe('leased: kept by heartbeats; sticky: until given back'),
  programReleasedOn,
  nonce: z.string().min(1).max(256).optional().describe('comes back in a signed proof'),
  wait: z.int().min(0).max(longestWaitSeconds).optional().describe('seconds to wait for a seat, in a fair queue'),
});
export const grant = z.object({
  leaseId,
  expiresAt: moment.optional().describe('absent for a lease that does not expire by itself'),
  heartbeatAfterSeconds,
  seats,
  support: z.object({ state: z.enum(['valid', 'expired']), until: moment.optional() }),
  proof: z.string().optional().describe('signed lease, a compact JWS; only with a nonce'),
});
/** A 204. */
export const nothing = z.null().describe('done');
export const leaseParams = z.object({ leaseId });
export const heartbeatAnswer = z.object({ expiresAt: moment.optional(), heartbeatAfterSeconds });
export const heartbeatsBody = z.object({ leaseIds: z.array(z.string()).min(1).max(mostHeartbeats) });
export const heartbeatsAnswer = z.object({
  expiresAt: moment.describe('of all that were renewed and expire'),
  heartbeatAfterSeconds,
  renewed: z.int(),
  lost: z.array(z.string()).describe('leases that are gone: check out again'),
});
export const baseParams = z.object({ base: z.string().describe('the infobase') });
export const sessionsBody = z.object({
  sessions: z.array(z.object({ product, user, host, session, programReleasedOn })).max(mostSessions),
});
export const sessionsAnswer = z.object({
  base: z.string(),
  released: z.int().describe('seats of sessions that were absent'),
  sessions: z.array(
    z.object({
      product: z.string(),
      user: z.string(),
      host: z.string(),
      session: z.string(),
      outcome: z.enum(['granted', 'renewed', 'denied']),
      leaseId: z.string().optional(),
      reason: z.enum(denialReasons).optional(),
    }),
  ),
});

const paging = {
  cursor: z.string().max(6_000).optional().describe('nextCursor of the page before'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  format: z.enum(['json', 'csv']).default('json').describe('csv: a table of all pages, 50 000 rows at most'),
};
// PostgreSQL has no zero byte in its texts
const noZero = [/^[^\0]*$/, 'must not contain control characters'] as const;
const filter = z
  .string()
  .max(bounds.holderPart)
  .regex(...noZero)
  .optional();
export const leasesQuery = z.object({
  product: filter,
  state: z.enum(['active', 'stale', 'expired']).optional(),
  base: filter,
  user: filter,
  host: filter,
  ...paging,
});
/** A 200 that is a page as JSON, or all of them as a table. */
export const pageOrTable = <T extends z.ZodType>(page: T) => ({
  description: 'a page, or a table with format=csv',
  content: { 'application/json': { schema: page }, 'text/csv': { schema: z.string() } },
});
export const leasesAnswer = z.object({
  leases: z.array(
    z.object({
      leaseId,
      product: z.string(),
      holder: heldBy,
      mode: z.enum(leaseModes),
      state: z.enum(['active', 'stale', 'expired']),
      acquiredAt: moment,
      renewedAt: moment,
      expiresAt: moment.optional(),
      reservation: z.string().optional(),
    }),
  ),
  nextCursor: z.string().optional(),
});
export const reasonBody = z.object({ reason: z.string().trim().min(1).max(500).describe('kept in the audit') });
export const releaseStaleBody = reasonBody.extend({ product: product.regex(...noZero).optional() });
export const releaseStaleAnswer = z.object({ released: z.int(), before: z.int(), kept: z.int() });
export const productsAnswer = z.object({
  products: z.array(
    z.object({
      product: z.string(),
      seatLimit: z.int(),
      seatsInUse: z.int(),
      seatsAvailable: z.int(),
      seatsStale: z.int(),
      staleSince: moment.optional(),
      queueLength: z.int(),
      holdersWaiting: z.int(),
      reservations: z.array(z.object({ name: z.string(), seats: z.int(), inUse: z.int() })),
      supportUntil: moment.optional(),
      expiresAt: moment.optional(),
      supportPolicy: z.enum(supportPolicies),
    }),
  ),
});
export const denialsQuery = z.object({
  product: filter,
  reason: z.enum(denialReasons).optional(),
  from: z.string().max(40).optional(),
  to: z.string().max(40).optional(),
  ...paging,
});
export const denialsAnswer = z.object({
  denials: z.array(
    z.object({
      product: z.string(),
      holder: heldBy,
      reason: z.string(),
      firstAt: moment,
      lastAt: moment,
      attempts: z.int(),
      unmet: z.boolean().describe('without a seat a minute after the first refusal'),
      servedAt: moment.optional(),
    }),
  ),
  nextCursor: z.string().optional(),
});
