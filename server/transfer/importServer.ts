import { createPrivateKey } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type pg from 'pg';
import { functionsName, makeFunctions, readFunctions } from '../../runtime/databaseFunctions.ts';
import { lockDirectory } from '../../runtime/directoryLock.ts';
import type { Logger } from '../../runtime/log.ts';
import { applyMigration, type Migration, prepareMigrations, readMigrations } from '../../runtime/migrate.ts';
import { type Entry, isEmptyDatabase, TableWriter } from '../../runtime/postgres/tables.ts';
import { isRetired, readRetired } from '../../runtime/retiredMigrations.ts';
import { migrationsDir } from '../db/database.ts';
import { writeDurably } from '../keys/durableFile.ts';
import { identityOf, loadIdentity } from '../keys/identity.ts';
import { type Manifest, readArchive, verifyArchive } from './archive.ts';
import { type Computer, identityFileOf, plainFiles } from './computer.ts';
import { connectTo, openEmbedded } from './openLedger.ts';

export interface ImportRequest extends Computer {
  readonly file: string;
  /** A file that comes into the data directory together with all the rest, and says what was imported. */
  readonly note?: { readonly name: string; readonly text: (manifest: Manifest) => string };
}

/** There is a computer already where one was to be made. */
export class DirectoryInUse extends Error {}

/** What an import makes is collected in the first, and moved into its place from the second, which is only ever whole. */
const draftName = 'import.draft';
const readyName = 'import.ready';

const never = new AbortController().signal;

/**
 * Makes an empty data directory, and an empty database, into the computer of an export: checksums first, then into a draft
 * beside, then into place. All or nothing: what is broken off half-way leaves no ledger, and what is whole is moved into
 * place by the next start at the latest.
 * @throws Error naming what is in the way and what to do
 */
export async function importServer(request: ImportRequest, log: Logger, signal = never): Promise<Manifest> {
  const manifest = await verifyArchive(request.file);
  const schema = schemaOf(manifest);
  const { dataDir } = request;
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = lockDirectory(dataDir, 'licence-server');
  try {
    finishImport(dataDir);
    refuseUnlessEmpty(request, manifest);
    await refuseOtherComputer(request, manifest);
    const draft = join(dataDir, draftName);
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { mode: 0o700 });
    try {
      await fill(request, manifest, schema, draft, log, signal);
      signal.throwIfAborted();
      if (request.note !== undefined) await writeDurably(join(draft, request.note.name), request.note.text(manifest));
      renameSync(draft, join(dataDir, readyName));
    } catch (error) {
      rmSync(draft, { recursive: true, force: true });
      throw error;
    }
    finishImport(dataDir);
    return manifest;
  } finally {
    lock.release();
  }
}

/** Moves a whole import into its place. Every start calls it, since an import may have been killed between two moves. */
export function finishImport(dataDir: string): void {
  const ready = join(dataDir, readyName);
  if (!existsSync(ready)) return;
  for (const name of readdirSync(ready)) {
    const target = join(dataDir, name);
    if (existsSync(target) && isEmptyFolder(target)) rmSync(target, { recursive: true });
    renameSync(join(ready, name), target);
  }
  rmSync(ready, { recursive: true });
}

async function fill(
  request: ImportRequest,
  manifest: Manifest,
  schema: Schema,
  draft: string,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { databaseUrl, dataDir, socketDir, postgresBin } = request;
  const ledger =
    databaseUrl === undefined
      ? await openEmbedded(join(draft, 'postgres'), { dataDir, socketDir, postgresBin }, log, signal, () => {})
      : await connectTo(databaseUrl, request.databaseCa);
  const { client } = ledger;
  try {
    await client.query('BEGIN');
    await fillLedger(client, manifest, schema, request.file, (entry) => {
      signal.throwIfAborted();
      return stage(request, draft, entry);
    });
    await client.query('COMMIT');
  } finally {
    await ledger.close(); // ends a transaction that was not committed
  }
}

/** The schema of the export, its rows, then what this program has added to the schema since. */
async function fillLedger(
  client: pg.Client,
  manifest: Manifest,
  schema: Schema,
  file: string,
  stageFile: (entry: Entry) => Promise<void>,
): Promise<void> {
  if (!(await isEmptyDatabase(client))) {
    throw new Error(
      'the database of DATABASE_URL has tables already; an import goes into an empty one: create another',
    );
  }
  await prepareMigrations(client);
  for (const migration of schema.exported) await applyMigration(client, migration);
  const writer = new TableWriter(client);
  await writer.begin(Object.keys(manifest.tables));
  for await (const entry of readArchive(file, manifest)) {
    if (entry.name.startsWith('tables/')) await writer.add(entry);
    else await stageFile(entry);
  }
  await writer.end(manifest);
  for (const migration of schema.newer) await applyMigration(client, migration);
  await makeFunctions(client, readFunctions(migrationsDir));
}

async function stage(request: ImportRequest, draft: string, { name, content }: Entry): Promise<void> {
  if (name === 'identity.pem' && existsSync(identityFileOf(request))) return; // the same one
  if (name.startsWith('tokens/') && request.tokensDir !== undefined) return; // they come from elsewhere here
  const path = join(draft, name);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  await writeDurably(path, content.toString('utf8'));
}

interface Schema {
  readonly exported: readonly Migration[];
  readonly newer: readonly Migration[];
}

/** @throws Error when the export's schema is not one that this program has had */
function schemaOf(manifest: Manifest): Schema {
  const known = readMigrations(migrationsDir);
  const retired = readRetired(migrationsDir);
  const exported = manifest.migrations.flatMap((applied) => {
    if (applied.name === functionsName) return [];
    const wasRetired = isRetired(retired, applied);
    const found = known.filter((m) => m.name === applied.name && (m.hash === applied.hash || wasRetired));
    if (found.length > 0 || wasRetired) return found;
    throw new Error(
      `the export is of version ${manifest.version} and has the migration ${applied.name} that this program does not know; use that version or a newer one`,
    );
  });
  return { exported, newer: known.filter((m) => !exported.includes(m)) };
}

const isEmptyFolder = (path: string): boolean => {
  try {
    return readdirSync(path).length === 0;
  } catch {
    return false; // a file
  }
};

function refuseUnlessEmpty({ dataDir, databaseUrl, tokensDir }: ImportRequest, { entries }: Manifest): void {
  const hasTokens = tokensDir === undefined && entries.some((e) => e.name.startsWith('tokens/'));
  const places = [
    'Licence',
    ...plainFiles,
    ...(databaseUrl === undefined ? ['postgres'] : []),
    ...(hasTokens ? ['tokens'] : []),
  ];
  const inTheWay = places.filter((name) => existsSync(join(dataDir, name)) && !isEmptyFolder(join(dataDir, name)));
  if (inTheWay.length === 0) return;
  throw new DirectoryInUse(
    `${dataDir} is in use: it has ${inTheWay.join(', ')}; an import goes into an empty directory: ` +
      'name another one in LICENCE_DATA_DIR, or move these away',
  );
}

/** Activations are for one computer: with another identity all of them would be foreign. */
async function refuseOtherComputer(request: ImportRequest, manifest: Manifest): Promise<void> {
  const file = identityFileOf(request);
  if (request.identityFile !== undefined || existsSync(file)) {
    const { fingerprint } = await loadIdentity({ dataDir: request.dataDir, file });
    if (fingerprint === manifest.fingerprint) return;
    throw new Error(
      `${file} is the identity of ${fingerprint}, the export is of ${manifest.fingerprint}: the activations would not count; ` +
        'put the identity of that computer there',
    );
  }
  for await (const { name, content } of readArchive(request.file, manifest)) {
    if (name !== 'identity.pem') continue;
    if (identityOf(createPrivateKey(content)).fingerprint === manifest.fingerprint) return;
    throw new Error(`the identity in ${request.file} is not that of ${manifest.fingerprint}; take another export`);
  }
  throw new Error(
    `the export has no identity, and ${file} is not there: copy identity.pem of the exported computer to it, or export again with --with-identity`,
  );
}
