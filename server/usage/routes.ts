import { z } from 'zod';
import type { Http } from '../../runtime/httpShell.ts';
import { dayOrMoment, moment, named, withoutNul } from '../../runtime/schemas.ts';
import { csvAnswer, csvTable, tableResponse } from '../csv.ts';
import { invalid, momentAt } from '../seats/requests.ts';
import type { UsageHistory, UsagePoint } from './usageHistory.ts';

const query = z.object({
  from: z
    .string()
    .max(40)
    .optional()
    .meta({ ...dayOrMoment, description: 'YYYY-MM-DD or RFC 3339; default: a day ago' }),
  to: z
    .string()
    .max(40)
    .optional()
    .meta({ ...dayOrMoment, description: 'YYYY-MM-DD or RFC 3339; after from; default: now' }),
  step: z.coerce.number().int().min(60).max(31_622_400).default(300).describe('seconds a point'),
  product: z.string().max(63).regex(withoutNul, 'must not contain control characters').optional(),
});
const point = named(
  'UsagePoint',
  z.object({
    product: z.string(),
    at: moment,
    seatLimit: z.int(),
    peak: z.int().describe('most seats in use within the step'),
    mean: z.number(),
    stale: z.int(),
    denied: z.int().describe('holders refused within the step'),
  }),
);
const answer = named('Usage', z.object({ stepSeconds: z.int(), points: z.array(point) }));
const mostPoints = 20_000;

export const csvOf = (points: readonly UsagePoint[]): string =>
  csvTable(
    ['product', 'at', 'seatLimit', 'peak', 'mean', 'stale', 'denied'],
    points.map((p) => [p.product, p.at, p.seatLimit, p.peak, p.mean, p.stale, p.denied]),
  );

/** Seats in use over time, as points and as a table. */
export function registerUsageRoutes(http: Http, usage: UsageHistory): void {
  const asked = async (q: z.infer<typeof query>): Promise<readonly UsagePoint[]> => {
    const now = Date.now();
    const fromMs = q.from === undefined ? now - 86_400_000 : momentAt(q.from, 'from');
    const toMs = q.to === undefined ? now : momentAt(q.to, 'to');
    if (toMs <= fromMs) throw invalid('to: must be after from');
    if ((toMs - fromMs) / 1000 / q.step > mostPoints)
      throw invalid(`step: more than ${mostPoints} points; take a larger one`);
    return usage.points(fromMs, toMs, q.step, q.product);
  };
  const config = { role: 'admin' };
  const tags = ['history'];
  http.get(
    '/v1/usage',
    {
      config,
      schema: {
        operationId: 'usage',
        summary: 'Seats in use over time',
        tags,
        querystring: query,
        response: { 200: answer },
      },
    },
    async ({ query: q }) => ({ stepSeconds: q.step, points: [...(await asked(q))] }),
  );
  http.get(
    '/v1/usage.csv',
    {
      config,
      schema: {
        operationId: 'usageTable',
        summary: 'Seats in use over time, as a table',
        tags,
        querystring: query,
        response: { 200: tableResponse },
      },
    },
    async ({ query: q }, reply) => csvAnswer(reply, 'usage.csv', csvOf(await asked(q))),
  );
}
