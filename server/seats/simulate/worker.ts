import { parentPort, workerData } from 'node:worker_threads';
import type { SeatRule } from '../../../licence/seatRule.ts';
import type { CountBy } from '../../../licence/words.ts';
import { databaseAddress } from '../../../runtime/database/address.ts';
import { answerTimeoutMs } from '../../../runtime/database/pool.ts';
import { type DatabaseConfig, Session, sessionSetup, setUp } from '../../../runtime/database/session.ts';
import { lowerPriorityOf, yieldToOthers } from '../../../runtime/lowPriority.ts';
import { fitReservations } from '../fitReservations.ts';
import { keptSeats, type Weights } from '../recount.ts';
import type { Reservation } from '../reservations.ts';
import { compileRules, type Groups } from '../seatRules.ts';
import { eachEvent } from './eachEvent.ts';
import { type Demand, Play, type Played } from './play.ts';
import { type Piece, readHistory } from './readHistory.ts';
import type { Terms } from './world.ts';

/** What one side is played by, as it is handed to the thread. */
export interface SideTerms {
  readonly seatLimit: number;
  readonly overdraft: number;
  readonly countBy: CountBy;
  readonly weights: Weights;
  readonly reservations: readonly Reservation[];
  readonly rules: readonly SeatRule[];
}
/** What to read from: a database that runs beside this program, or the address of another one, since what stands in it may be no plain data. */
export type SimulationDatabase =
  | { readonly own: DatabaseConfig }
  | { readonly url: string; readonly caFile?: string | undefined };

export interface WorkerTask {
  readonly database: SimulationDatabase;
  readonly poolId: number;
  readonly product: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly today: SideTerms;
  readonly other: SideTerms;
  readonly groups: Groups;
}
export interface Progress {
  /** From 0 to 1. */
  readonly done: number;
  readonly events: number;
  /** The moment that is played, RFC 3339. */
  readonly at: string;
}
/** How far it has come, at last the result or why there is none. */
export type FromWorker = { readonly progress: Progress } | { readonly played: Played } | { readonly fault: string };

const termsOf = ({ reservations, rules, ...side }: SideTerms, groups: Groups): Terms => {
  const kept = keptSeats(reservations, rules).map((k) => k.seats);
  return {
    ...side,
    reserved: fitReservations(side.seatLimit, kept),
    rulesOf: reservations.length === 0 && rules.length === 0 ? undefined : compileRules(reservations, rules, groups),
  };
};

/** One statement looks through the whole time for who had a seat at its beginning. */
const statementMs = 60_000;
const setup = `${sessionSetup({ ledger: 'lease', statementMs, lockMs: 4_000 })}; SET enable_seqscan=off; SET jit=off; SET max_parallel_workers_per_gather=0`;
const progressMs = 250;

async function connect(database: SimulationDatabase): Promise<Session> {
  const config =
    'own' in database
      ? database.own
      : databaseAddress(database.url, database.caFile, process.env, 'licence-server').config;
  const client = new Session({
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    query_timeout: statementMs + answerTimeoutMs,
    ...config,
  });
  client.on('error', () => {}); // told by the rejected query
  await client.connect();
  await setUp(client, setup);
  if ('own' in database) await lowerPriorityOf(client);
  return client;
}

const answer = (message: FromWorker) => parentPort?.postMessage(message);

async function run({ database, poolId, product, fromMs, toMs, today, other, groups }: WorkerTask): Promise<Played> {
  const client = await connect(database);
  const demands: Demand[] = [];
  const seats: string[] = [];
  let play: Play | undefined;
  /** Made with the first events: what comes before them is known by then. */
  const playing = () => {
    if (play !== undefined) return play;
    play = new Play(fromMs, termsOf(today, groups), termsOf(other, groups), demands);
    for (const holder of seats.splice(0)) play.seed(holder);
    return play;
  };
  let events = 0;
  const take = (piece: Piece) => {
    if (piece.kind === 'seats') for (const holder of piece.holders) seats.push(holder);
    else if (piece.kind === 'refusals') demands.push(...piece.lines.map((line) => demandOf(line, fromMs)));
    else {
      const p = playing();
      eachEvent(piece, (holder, comes, at) => (comes ? p.came(holder, at) : p.left(holder, at)));
      events += piece.n;
    }
  };
  const pieces = readHistory(client, { poolId, product, fromMs, toMs });
  let toldMs = 0;
  for (let next = pieces.next(); ; ) {
    const piece = await next;
    if (piece.done) break;
    next = pieces.next(); // the next one is read while this one is played
    take(piece.value);
    if (piece.value.kind !== 'events' || performance.now() - toldMs < progressMs) continue;
    toldMs = performance.now();
    const at = piece.value.toMs;
    answer({ progress: { done: (at - fromMs) / (toMs - fromMs), events, at: new Date(at).toISOString() } });
  }
  await client.end();
  return playing().finish(toMs);
}

function demandOf(line: string, fromMs: number): Demand {
  const [at, until, served, holder = ''] = line.split('\u001e', 4);
  return { holder, at: fromMs + Number(at), until: fromMs + Number(until), served: served === '1' };
}

yieldToOthers();
run(workerData as WorkerTask).then(
  (played) => answer({ played }),
  (error) => answer({ fault: error instanceof Error ? error.message : String(error) }),
);
