import { z } from 'zod';
import { effects } from '../../../licence/seatRule.ts';
import { denialReasons, leaseModes } from '../../../licence/words.ts';
import { growing, moment, named } from '../../../runtime/schemas.ts';
import { checkKinds, unmatchedParts, verdicts } from './checks.ts';

const check = named(
  'ExplainedCheck',
  z.object({
    check: growing(checkKinds),
    verdict: growing(verdicts).describe(
      'decided: the last one; passed: it has nothing against it; notMatched: it is about others',
    ),
    name: z.string().optional().describe('of the rule or reservation'),
    effect: growing(effects).optional().describe('what the rule does'),
    unmatched: growing(unmatchedParts).optional().describe('what of the holder the rule does not match'),
    used: z.int().optional().describe('seats in use of what is bounded'),
    most: z.int().optional().describe('the bound'),
    shortage: growing(['taken', 'reserved', 'queued']).optional(),
    ahead: z.int().optional().describe('holders that are served before'),
    says: z.string().describe('the same in one sentence'),
  }),
);
const holder = named(
  'ExplainedHolder',
  z.object({
    leaseId: z.string().meta({ format: 'uuid' }),
    holder: z.object({ base: z.string(), user: z.string(), host: z.string(), session: z.string() }),
    mode: growing(leaseModes),
    acquiredAt: moment,
    expiresAt: moment.optional(),
    stale: z.boolean().optional().describe('true: its base has gone silent'),
  }),
);
export const explained = named(
  'ExplainResult',
  z.object({
    product: z.string(),
    granted: z.boolean(),
    outcome: growing(['granted', 'renewed', 'denied']),
    reason: growing(denialReasons).optional(),
    rule: z.string().optional().describe('which rule refuses'),
    detail: z.string(),
    overdraft: z.boolean().optional(),
    seats: z.object({ limit: z.int(), inUse: z.int(), reserved: z.int() }).optional(),
    queue: z.object({ position: z.int() }).optional().describe('the place that it would get with wait'),
    checks: z.array(check).describe('in the order in which they are made, as far as the one that decides'),
    holders: z
      .array(holder)
      .optional()
      .describe('of a refusal: whoever has had a seat that would do the longest, ten at most; for administrators'),
    expected: z
      .object({
        at: moment,
        by: growing(['pace', 'grace']).describe(
          'pace: at the rate at which seats were given back lately; grace: when expired seats may be given to others',
        ),
      })
      .optional()
      .describe('when such a seat is expected to be free; absent: nothing says so'),
  }),
);
