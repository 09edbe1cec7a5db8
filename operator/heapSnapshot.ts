import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { getHeapSnapshot } from 'node:v8';
import type { Clock } from '../runtime/clock.ts';
import { monotonicOf } from '../runtime/clock.ts';
import type { Logger } from '../runtime/log.ts';

/**
 * Writes a heap snapshot of this process into `dir`, for Chrome's developer tools. The process stands still while the
 * snapshot is taken (about a second per 100 MB) and may need twice its memory; a leader that stands still for 10 s loses its
 * lease and ends. Writing the file does not stop it.
 *
 * What is in memory is in the file, tokens and keys that are being read included: only its owner can read it, and it is
 * to be handled as a Secret. It has its name only when it is whole.
 * @returns its path
 * @throws when the directory cannot be written
 */
export async function writeHeapSnapshot(dir: string, clock: Clock, log: Logger): Promise<string> {
  const at = new Date(clock.now()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const path = join(dir, `licence-operator-${at}-${process.pid}.heapsnapshot`);
  const unfinished = `${path}.part`;
  const since = monotonicOf(clock);
  const tookMs = () => Math.round(monotonicOf(clock) - since);
  log.warn({ path }, 'taking a heap snapshot: it may hold secrets');
  try {
    const file = createWriteStream(unfinished, { mode: 0o600, flags: 'wx' });
    const snapshot = getHeapSnapshot();
    log.info({ path, tookMs: tookMs() }, 'writing the heap snapshot');
    await pipeline(snapshot, file);
    await rename(unfinished, path);
    log.info({ path, bytes: file.bytesWritten, tookMs: tookMs() }, 'the heap snapshot is written');
    return path;
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

/** Takes one at each SIGUSR2, one at a time; a fault is a line in the log. @returns what ends that, with the last one written */
export function snapshotOnSignal(dir: string, clock: Clock, log: Logger): () => Promise<void> {
  // Windows has no such signal.
  if (process.platform === 'win32') return async () => {};
  let writing: Promise<void> | undefined;
  const onSignal = () => {
    if (writing !== undefined) return log.warn('a heap snapshot is being taken already');
    writing = writeHeapSnapshot(dir, clock, log)
      .then(() => {})
      .catch((error: unknown) => log.error({ err: error, dir }, 'the heap snapshot was not written'))
      .finally(() => {
        writing = undefined;
      });
  };
  process.on('SIGUSR2', onSignal);
  return async () => {
    process.off('SIGUSR2', onSignal);
    await writing;
  };
}
