import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { DatabaseConfig } from '../../runtime/database/session.ts';
import type { Logger } from '../../runtime/log.ts';
import { lowerPriorityOf } from '../../runtime/lowPriority.ts';
import { type Entry, readTables, tablesOf } from '../../runtime/postgres/tables.ts';
import { readSmallFile } from '../../runtime/smallFile.ts';
import { roles } from '../access/tokens.ts';
import { loadIdentity } from '../keys/identity.ts';
import { archiveFormat, type Manifest, writeArchive } from './archive.ts';
import { type Computer, identityFileOf, plainFiles } from './computer.ts';
import { connect, openLedger } from './openLedger.ts';

export interface ExportRequest extends Computer {
  /** Whether the private key of this computer goes along: whoever has it is this computer. */
  readonly withIdentity: boolean;
  /** Whether the access tokens go along, so that clients need no new ones. */
  readonly withTokens: boolean;
  /** Where to; `-` is standard output; a stream is ended. */
  readonly file: string | Writable;
  readonly version: string;
  /** How the embedded ledger is reached, where the server on it asks itself; default: it is looked for. */
  readonly connection?: DatabaseConfig | undefined;
  /** Whoever serves comes first: it rests after each portion, and the session of an embedded database has a low priority. */
  readonly gently?: boolean;
}

/** What was written, for a person. */
export type Exported = Pick<Manifest, 'fingerprint' | 'tables'> & { readonly activations: number };

const never = new AbortController().signal;

/** Writes all that makes this computer this computer, and its ledger, into one file. @throws Error saying what to do */
export async function exportServer(request: ExportRequest, log: Logger, signal = never): Promise<Exported> {
  const identityFile = identityFileOf(request);
  const identity = await loadIdentity({ dataDir: request.dataDir, file: identityFile }); // the file is named: none is made
  const files = filesOf(request, identityFile);
  const place = {
    url: request.databaseUrl,
    caFile: request.databaseCa,
    dataDir: request.dataDir,
    socketDir: request.socketDir,
    postgresBin: request.postgresBin,
  };
  const { connection, gently = false } = request;
  const ledger = connection === undefined ? await openLedger(place, log, signal) : await connect(connection);
  const { fingerprint } = identity;
  let tables: Manifest['tables'] = {};
  try {
    if (gently && connection !== undefined) await lowerPriorityOf(ledger.client);
    if (!(await tablesOf(ledger.client)).includes('lease')) {
      throw new Error(
        'the database holds no ledger of a licence server in the search path of this role; name the right one, and the right role, in DATABASE_URL',
      );
    }
    await writeArchive(request.file, async function* () {
      const told = yield* portions(readTables(ledger.client), signal, gently);
      for (const file of files) yield { name: file.name, content: await contentOf(file.path) } satisfies Entry;
      tables = told.tables;
      return {
        format: archiveFormat,
        version: request.version,
        createdAt: new Date().toISOString(),
        fingerprint,
        ...told,
      };
    });
  } finally {
    await ledger.close();
  }
  return { fingerprint, tables, activations: files.filter((f) => f.name.endsWith('.lic')).length };
}

const longestRestMs = 100;

/** The same rows, until the program is asked to end; with a rest after each portion, as long as it took to read and to pack. */
async function* portions<T, R>(
  rows: AsyncGenerator<T, R>,
  signal: AbortSignal,
  withRests: boolean,
): AsyncGenerator<T, R> {
  for (;;) {
    signal.throwIfAborted();
    const since = performance.now();
    const next = await rows.next();
    if (next.done) return next.value;
    yield next.value;
    if (withRests) await wait(Math.min(longestRestMs, performance.now() - since), undefined, { signal });
  }
}

/** Name in the archive and path of each file. */
function filesOf(request: ExportRequest, identityFile: string): { readonly name: string; readonly path: string }[] {
  const list = (dir: string) => {
    try {
      return readdirSync(dir).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  };
  const licences = join(request.dataDir, 'Licence');
  const tokens = request.tokensDir ?? join(request.dataDir, 'tokens');
  const present = new Set(list(request.dataDir));
  return [
    ...list(licences)
      .filter((name) => name.endsWith('.lic') && !name.startsWith('.'))
      .map((name) => ({ name: `Licence/${name}`, path: join(licences, name) })),
    ...plainFiles.filter((name) => present.has(name)).map((name) => ({ name, path: join(request.dataDir, name) })),
    ...(request.withIdentity ? [{ name: 'identity.pem', path: identityFile }] : []),
    ...(request.withTokens
      ? list(tokens)
          .filter((name) => roles.some((role) => role === name))
          .map((name) => ({ name: `tokens/${name}`, path: join(tokens, name) }))
      : []),
  ];
}

/** @throws Error naming the file */
async function contentOf(path: string): Promise<Buffer> {
  try {
    return Buffer.from(await readSmallFile(path));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error;
    throw new Error(`cannot read ${path} (${code}); let this user read it, or move away what is no activation`);
  }
}
