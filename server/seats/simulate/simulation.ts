import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { answerTimeoutMs } from '../../../runtime/database/pool.ts';
import { type DatabaseConfig, Session, sessionSetup, setUp } from '../../../runtime/database/session.ts';
import type { Played } from './play.ts';
import { readHistory } from './readHistory.ts';
import type { FromWorker, ToWorker, WorkerTask } from './worker.ts';

export interface SimulationRequest extends WorkerTask {
  readonly poolId: number;
  readonly product: string;
}
export type SimulationStep =
  | { readonly progress: { readonly done: number; readonly events: number; readonly at: string } }
  | { readonly played: Played };

/** What one simulation may take of the memory. */
const limits = { maxOldGenerationSizeMb: 160, maxYoungGenerationSizeMb: 24 };
/** One statement looks through the whole time for who had a seat at its beginning. */
const statementMs = 60_000;
const setup = `${sessionSetup({ ledger: 'lease', statementMs, lockMs: 4_000 })}; SET enable_seqscan=off; SET jit=off; SET max_parallel_workers_per_gather=0`;

/** The thread's program: its source, or what it was built into. */
const program = ['worker.ts', 'worker.js']
  .map((name) => join(import.meta.dirname, name))
  .find((file) => existsSync(file));

/**
 * Plays what was recorded in a thread of its own, with a connection of its own, and tells how far it is. Whoever stops listening stops it; so does `signal`.
 */
export async function* simulate(
  connection: DatabaseConfig,
  { poolId, product, ...task }: SimulationRequest,
  signal: AbortSignal,
): AsyncGenerator<SimulationStep> {
  if (program === undefined) throw new Error('the program of simulations is missing beside this one');
  const client = new Session({
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    query_timeout: statementMs + answerTimeoutMs,
    ...connection,
  });
  client.on('error', () => {}); // told by the rejected query
  const worker = new Worker(program, { workerData: task, resourceLimits: limits });
  const stop = () => {
    void worker.terminate();
    client.end().catch(() => {});
  };
  signal.addEventListener('abort', stop, { once: true });
  const ask = (message: ToWorker) =>
    new Promise<FromWorker>((resolve, reject) => {
      const done = (settle: () => void) => {
        worker.off('message', answered).off('error', failed).off('exit', ended);
        settle();
      };
      const answered = (answer: FromWorker) => done(() => resolve(answer));
      const failed = (error: unknown) => done(() => reject(error));
      const ended = () => done(() => reject(new Error('the simulation was stopped')));
      worker.on('message', answered).on('error', failed).on('exit', ended);
      worker.postMessage(message);
    });
  try {
    await client.connect();
    await setUp(client, setup);
    const { fromMs, toMs } = task;
    let toldMs = 0;
    let playing: Promise<FromWorker> | undefined;
    for await (const piece of readHistory(client, { poolId, product, fromMs, toMs })) {
      signal.throwIfAborted();
      // the next piece is read while this one is played
      const before = await playing;
      playing = ask(piece);
      playing.catch(() => {});
      if (before === undefined || !('atMs' in before) || performance.now() - toldMs < 250) continue;
      toldMs = performance.now();
      const done = (before.atMs - fromMs) / (toMs - fromMs);
      yield { progress: { done, events: before.events, at: new Date(before.atMs).toISOString() } };
    }
    await playing;
    const last = await ask({ kind: 'end' });
    if ('played' in last) yield last;
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}
