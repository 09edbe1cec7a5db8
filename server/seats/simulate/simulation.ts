import { on } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Played } from './play.ts';
import type { FromWorker, Progress, WorkerTask } from './worker.ts';

export type SimulationStep = { readonly progress: Progress } | { readonly played: Played };

/** What one simulation may take of the memory. */
const limits = { maxOldGenerationSizeMb: 160, maxYoungGenerationSizeMb: 24 };

/** The thread's program: its source, or what it was built into. */
const program = ['worker.ts', 'worker.js']
  .map((name) => join(import.meta.dirname, name))
  .find((file) => existsSync(file));

/**
 * Reads and plays what was recorded in a thread of its own, of low priority and with a connection of its own, and tells how far it is: nothing of it
 * passes the event loop of those who want a seat. Whoever stops listening stops it; so does `signal`.
 */
export async function* simulate(task: WorkerTask, signal: AbortSignal): AsyncGenerator<SimulationStep> {
  signal.throwIfAborted();
  if (program === undefined) throw new Error('the program of simulations is missing beside this one');
  const worker = new Worker(program, { workerData: task, resourceLimits: limits });
  try {
    for await (const [message] of on(worker, 'message', { signal, close: ['exit'] })) {
      const told = message as FromWorker;
      if ('fault' in told) throw new Error(told.fault);
      yield told;
      if ('played' in told) return;
    }
    throw new Error('the simulation was stopped');
  } finally {
    await worker.terminate();
  }
}
