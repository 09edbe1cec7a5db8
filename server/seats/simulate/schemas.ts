import { z } from 'zod';
import { bounds } from '../../../licence/words.ts';
import { moment, named, withoutNul } from '../../../runtime/schemas.ts';

const mostSeats = 1_000_000;

export const simulateBody = named(
  'SimulationRequest',
  z.object({
    product: z.string().min(1).max(bounds.product).regex(withoutNul, 'must not contain control characters'),
    days: z
      .int()
      .min(1)
      .max(3_650)
      .describe('how many days are played, today among them; no more than are kept (LICENCE_HISTORY_DAYS)'),
    seats: z.int().min(0).max(mostSeats).optional().describe('seats of the other side; absent: as many as now'),
    overdraft: z.int().min(0).max(mostSeats).optional().describe('seats beyond the limit; absent: as many as now'),
    rules: z
      .array(z.unknown())
      .max(64)
      .optional()
      .describe('rules of the other side, as in LICENCE_RULES, all of this product; absent: those that are in force'),
  }),
);
const side = named(
  'SimulatedSide',
  z.object({
    refused: z.int().describe('holders that were refused when they asked'),
    unmet: z.int().describe('of these, who had no seat a minute later'),
    peak: z.int().describe('most seats in use at one time'),
    waitedSeconds: z.int().describe('of all who were refused, together'),
    longestWaitSeconds: z.int(),
  }),
);
export const simulated = named(
  'Simulation',
  z.object({
    product: z.string(),
    from: moment,
    to: moment,
    events: z.int().describe('recorded grants and seats given back that were played'),
    needed: z.int().describe('seats with which nobody would have had to wait for one, by the rules of the other side'),
    today: side.extend({ seats: z.int() }),
    other: side.extend({ seats: z.int() }),
    days: z.array(z.object({ day: z.string().describe('YYYY-MM-DD, in UTC'), today: side, other: side })),
  }),
);
export const simulationLine = named(
  'SimulationLine',
  z
    .object({
      progress: z.object({ done: z.number().describe('from 0 to 1'), events: z.int(), at: moment }).optional(),
      result: simulated.optional(),
      error: z.object({ reason: z.string(), detail: z.string() }).optional(),
    })
    .describe('one of progress, result and error; result or error is the last line'),
);
