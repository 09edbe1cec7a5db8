import { parentPort, workerData } from 'node:worker_threads';
import { yieldToOthers } from '../../runtime/lowPriority.ts';
import type { StoredArchive } from './archiveName.ts';
import type { BackupConfig } from './backupSettings.ts';
import type { BackupSource } from './makeBackup.ts';

/** One archive to make, as it is handed to the thread. */
export interface PackTask {
  readonly source: BackupSource;
  readonly config: BackupConfig;
  readonly atMs: number;
}
export type ToWorker = 'stop';
export type FromWorker = { readonly archive: StoredArchive } | { readonly fault: string };

/** Whoever serves comes first, while this thread still loads its program too. */
yieldToOthers();
const { createLog } = await import('../../runtime/log.ts');
const { makeBackup } = await import('./makeBackup.ts');
const { openDestination } = await import('./openDestination.ts');

async function pack({ source, config, atMs }: PackTask, signal: AbortSignal): Promise<StoredArchive> {
  const destination = await openDestination(config, signal);
  try {
    const log = createLog('licence-server', 'warn');
    return (await makeBackup({ ...source, gently: true }, config, destination, atMs, log, signal)).archive;
  } finally {
    await destination.close().catch(() => {});
  }
}

const end = new AbortController();
parentPort?.once('message', (_: ToWorker) => end.abort(new Error('the server is stopping')));
const answer = (message: FromWorker) => parentPort?.postMessage(message);
await pack(workerData as PackTask, end.signal).then(
  (archive) => answer({ archive }),
  (error) => answer({ fault: error instanceof Error ? error.message : String(error) }),
);
