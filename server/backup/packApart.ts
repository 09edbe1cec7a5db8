import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { StoredArchive } from './archiveName.ts';
import { type BackupConfig, backupSettings } from './backupSettings.ts';
import type { FromWorker, PackTask, ToWorker } from './worker.ts';

/** What it may take of the memory, beside the parts that are on their way. */
const limits = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 16 };

/** The thread's program: its source, or what it was built into. */
const program = ['worker.ts', 'worker.js']
  .map((name) => join(import.meta.dirname, name))
  .find((file) => existsSync(file));

/**
 * Makes an archive in a thread of its own, of low priority and with a connection of its own: reading, packing and sending take neither
 * the event loop nor the processor from those who want a seat.
 * @param signal its end breaks it off, and waits until nothing half is left
 */
export async function packApart(task: PackTask, signal: AbortSignal): Promise<StoredArchive> {
  signal.throwIfAborted();
  if (program === undefined) throw new Error('the program that packs archives is missing beside this one');
  const names = [...Object.keys(backupSettings), 'LICENCE_PROXY_FILE'] as (keyof BackupConfig)[];
  const config = Object.fromEntries(names.map((name) => [name, task.config[name]])) as BackupConfig;
  const workerData: PackTask = { ...task, config };
  const worker = new Worker(program, { workerData, resourceLimits: limits });
  const stop = () => worker.postMessage('stop' satisfies ToWorker);
  signal.addEventListener('abort', stop, { once: true });
  try {
    const answer = await new Promise<FromWorker>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('it was broken off')));
    });
    signal.throwIfAborted();
    if ('fault' in answer) throw new Error(answer.fault);
    return answer.archive;
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
