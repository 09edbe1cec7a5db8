import { Readable } from 'node:stream';
import type { z } from 'zod';
import type { SeatRule } from '../../../licence/seatRule.ts';
import type { Http } from '../../../runtime/httpShell.ts';
import { ProblemError } from '../../../runtime/problem.ts';
import { invalid } from '../requests.ts';
import { parseRules } from '../seatRules.ts';
import type { SeatStore } from '../store.ts';
import { simulateBody, type simulated, simulationLine } from './schemas.ts';
import { simulate } from './simulation.ts';
import type { SimulationDatabase, WorkerTask } from './worker.ts';

export interface SimulationParts {
  readonly store: SeatStore;
  readonly database: SimulationDatabase;
  /** How long events and refusals are kept. */
  readonly usage: { readonly historyDays: number };
}

const dayMs = 86_400_000;
type Body = z.infer<typeof simulateBody>;

/** What the recorded events would have come to under other rules or with another number of seats: one at a time, told line by line. */
export function registerSimulationRoutes(http: Http, parts: SimulationParts): void {
  const stopping = new AbortController();
  http.addHook('preClose', async () => stopping.abort());
  let running = false;
  http.post(
    '/v1/rules::simulate',
    {
      config: { role: 'admin', refusals: { 429: ['SimulationRunning'] } },
      schema: {
        operationId: 'simulateRules',
        summary: 'Play what was recorded under other rules or with another number of seats',
        tags: ['history'],
        body: simulateBody,
        response: {
          200: {
            description: 'a JSON document a line: progress, at last the result',
            content: { 'application/x-ndjson': { schema: simulationLine } },
          },
        },
      },
    },
    async ({ body }, reply) => {
      const request = requestOf(parts, body, Date.now());
      if (running) {
        const detail = 'another simulation is running on this server; ask again when it is over';
        throw new ProblemError({ status: 429, reason: 'SimulationRunning', detail, retryAfterSeconds: 5 });
      }
      running = true;
      const ended = () => {
        running = false;
      };
      reply.type('application/x-ndjson').header('cache-control', 'no-store').header('x-accel-buffering', 'no');
      const gone = new AbortController(); // the client, before the last line
      reply.raw.once('close', () => gone.abort());
      const lines = Readable.from(linesOf(request, AbortSignal.any([stopping.signal, gone.signal])));
      lines.once('close', ended);
      return reply.serializer(String).send(lines as never);
    },
  );
}

/** @throws ProblemError 400 naming the field and what is wrong with it */
function requestOf(
  { store, database, usage: { historyDays } }: SimulationParts,
  body: Body,
  nowMs: number,
): WorkerTask {
  const { product, days, seats, overdraft } = body;
  const pool = store.pool(product);
  if (pool === undefined) throw invalid(`product: no key for the product ${product} is active here`);
  if (days > historyDays)
    throw invalid(`days: at most ${historyDays}, since events are kept that long (LICENCE_HISTORY_DAYS)`);
  const { entitlement } = pool;
  const today = {
    seatLimit: entitlement.seatLimit,
    overdraft: entitlement.overdraftSeats,
    countBy: entitlement.countBy,
    weights: entitlement.weights,
    reservations: store.reservationsOf(product),
    rules: pool.rules,
  };
  const midnight = Math.floor(nowMs / dayMs) * dayMs;
  return {
    database,
    poolId: pool.poolId,
    product,
    fromMs: midnight - (days - 1) * dayMs,
    toMs: nowMs,
    today,
    other: {
      ...today,
      seatLimit: seats ?? today.seatLimit,
      overdraft: overdraft ?? today.overdraft,
      rules: body.rules === undefined ? today.rules : rulesIn(body.rules, product),
    },
    groups: store.groups,
  };
}

function rulesIn(rules: readonly unknown[], product: string): SeatRule[] {
  let read: SeatRule[];
  try {
    read = parseRules(JSON.stringify(rules));
  } catch (error) {
    throw invalid(`rules: ${error instanceof Error ? error.message : String(error)}`);
  }
  const foreign = read.find((rule) => rule.product !== product);
  if (foreign !== undefined)
    throw invalid(`rules: rule ${foreign.name}, product: must be ${product}, not ${foreign.product}`);
  return read;
}

async function* linesOf(request: WorkerTask, signal: AbortSignal) {
  const line = (told: z.infer<typeof simulationLine>) => `${JSON.stringify(told)}\n`;
  try {
    for await (const step of simulate(request, signal)) {
      if ('progress' in step) {
        yield line(step);
        continue;
      }
      const { played } = step;
      const result: z.infer<typeof simulated> = {
        product: request.product,
        from: new Date(request.fromMs).toISOString(),
        to: new Date(request.toMs).toISOString(),
        events: played.events,
        needed: played.needed,
        today: { ...played.today, seats: request.today.seatLimit },
        other: { ...played.other, seats: request.other.seatLimit },
        days: [...played.days],
      };
      yield line({ result });
    }
  } catch (error) {
    // the answer has begun: its last line says how it ended
    const detail = signal.aborted ? 'the server is stopping' : error instanceof Error ? error.message : String(error);
    yield line({ error: { reason: 'SimulationFailed', detail } });
  }
}
