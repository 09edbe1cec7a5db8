import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/log.ts';
import { loadIdentity } from '../keys/identity.ts';
import type { Manifest } from '../transfer/archive.ts';
import { type Computer, identityFileOf } from '../transfer/computer.ts';
import { finishImport, importServer } from '../transfer/importServer.ts';
import { goneAfterMs, lastAliveMs } from './aliveMark.ts';
import { archivesIn, computerOf, type StoredArchive } from './archiveName.ts';
import type { BackupConfig } from './backupSettings.ts';
import { chooseArchive } from './decide.ts';
import type { Destination } from './destination.ts';
import { openDestination } from './openDestination.ts';

export interface RestoreRequest {
  readonly computer: Computer;
  /** Name of an archive, or `latest`. */
  readonly wanted: string;
  /** A person says that the server of the archive does not run any more. */
  readonly isOldGone: boolean;
}

/** What was restored, as it stands in `restored.json` of the data directory from then on. */
const restored = z.object({ archive: z.string(), fingerprint: z.string(), restoredAt: z.string() });
export type Restored = z.infer<typeof restored>;

const markName = 'restored.json';
const draftName = 'restore.download';

/** The server of the archive may still run: there is a reason to wait, and to look again. */
export class OldServerLives extends Error {}

/**
 * Makes an empty computer into that of a backup. What was restored into its data directory before stays: it is newer by now.
 * @throws OldServerLives, Error saying what is in the way
 */
export async function restore(
  request: RestoreRequest,
  config: BackupConfig,
  clock: Clock,
  log: Logger,
  signal: AbortSignal,
): Promise<Restored> {
  const { computer, wanted } = request;
  finishImport(computer.dataDir);
  const before = restoredInto(computer.dataDir);
  if (before !== undefined) return before;
  const destination = await openDestination(config, signal);
  try {
    const archive = await choose(request, destination);
    if (!request.isOldGone) await refuseIfAlive(destination, archive, clock.now());
    log.warn({ archive: archive.name, from: destination.place }, 'restoring');
    mkdirSync(computer.dataDir, { recursive: true, mode: 0o700 });
    const file = join(computer.dataDir, draftName);
    try {
      await fetchTo(file, destination, archive, config, signal);
      const restoredAt = new Date(clock.now()).toISOString();
      const doneOf = ({ fingerprint }: Manifest): Restored => ({ archive: archive.name, fingerprint, restoredAt });
      const note = { name: markName, text: (manifest: Manifest) => `${JSON.stringify(doneOf(manifest))}\n` };
      return doneOf(await importServer({ ...computer, file, note }, log, signal));
    } catch (error) {
      signal.throwIfAborted();
      throw wanted === archive.name ? error : named(error, archive);
    } finally {
      rmSync(file, { force: true });
    }
  } finally {
    await destination.close();
  }
}

/** What a data directory was restored from; undefined: it was not. */
export function restoredInto(dataDir: string): Restored | undefined {
  const file = join(dataDir, markName);
  if (!existsSync(file)) return undefined;
  try {
    return restored.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    throw new Error(`${file} is not what a restore writes; remove it, if this directory is empty otherwise`);
  }
}

async function choose({ computer, wanted }: RestoreRequest, destination: Destination): Promise<StoredArchive> {
  const file = identityFileOf(computer);
  const known = existsSync(file) ? await loadIdentity({ dataDir: computer.dataDir, file }) : undefined;
  const choice = chooseArchive(
    archivesIn(await destination.list()),
    wanted,
    known && computerOf(known.fingerprint),
    destination.place,
  );
  if (!choice.ok) throw new Error(choice.message);
  return choice.archive;
}

async function refuseIfAlive(destination: Destination, archive: StoredArchive, nowMs: number): Promise<void> {
  const lastMs = await lastAliveMs(destination, archive.computer);
  if (lastMs === undefined || nowMs - lastMs > goneAfterMs) return;
  const at = (ms: number) => new Date(ms).toISOString().replace(/\.\d+/, '');
  throw new OldServerLives(
    `the server of ${archive.name} said at ${at(lastMs)} that it lives, and two servers of one computer must not run: stop it; ` +
      `it counts as gone when nothing is heard of it until ${at(lastMs + goneAfterMs)}`,
  );
}

/** A part at a time, and opened on the way: what is in memory does not grow with the archive. */
async function fetchTo(
  file: string,
  destination: Destination,
  archive: StoredArchive,
  config: BackupConfig,
  signal: AbortSignal,
): Promise<void> {
  const { LICENCE_BACKUP_AGE_IDENTITY: identityFile } = config;
  if (archive.encrypted && identityFile === undefined) {
    throw new Error(`${archive.name} is encrypted; give the age identity that opens it`);
  }
  const source = await destination.get(archive.name);
  try {
    const content =
      archive.encrypted && identityFile !== undefined
        ? await (await import('./encryption.ts')).decrypted(source, identityFile)
        : source;
    await pipeline(Readable.from(content), createWriteStream(file, { mode: 0o600, flags: 'w' }), { signal });
  } finally {
    source.destroy();
  }
}

/** Of the archive that "latest" turned out to be. */
const named = (error: unknown, archive: StoredArchive): unknown => {
  if (!(error instanceof Error) || error.message.includes(archive.name)) return error;
  return new Error(`${archive.name}: ${error.message}`, { cause: error });
};
