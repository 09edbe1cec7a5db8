import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { link, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform, type TransformCallback, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, gzipSync } from 'node:zlib';
import { extract, pack } from 'tar-stream';
import { z } from 'zod';
import type { Entry } from '../../runtime/postgres/tables.ts';
import { plainFiles } from './computer.ts';

/**
 * An export: a `.tar.gz` that any tool can list. `manifest.json` comes last and names every other entry with its size and
 * SHA-256; what it does not name, or what is not as it says, makes the whole file damaged.
 */
export const archiveFormat = 'licence-server-export/1';

const entry = z.object({ name: z.string(), size: z.int().min(0), sha256: z.string() });
const manifest = z.object({
  format: z.literal(archiveFormat),
  /** Of the program that wrote it. */
  version: z.string(),
  createdAt: z.string(),
  /** The computer that it was taken from. */
  fingerprint: z.string(),
  postgres: z.int(),
  migrations: z.array(z.object({ name: z.string(), hash: z.string() })),
  tables: z.record(z.string(), z.int()),
  /** Last value of each sequence; text, since it may be beyond what a number holds exactly. */
  sequences: z.record(z.string(), z.string()),
  entries: z.array(entry),
});
export type Manifest = z.infer<typeof manifest>;

/** What else an archive may hold. */
const others =
  /^(identity\.pem|Licence\/[\w-][\w.-]*\.lic|tokens\/(client|admin|metrics)|tables\/[a-z_]+\/\d{6}\.jsonl)$/;
/** Anything else is not written to any disk. */
const isAllowed = (name: string): boolean => plainFiles.includes(name) || others.test(name);
const manifestName = 'manifest.json';
const mostBytes = 256 << 20;

const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/**
 * Writes an archive to a file, readable by its owner alone; `-` is standard output. The file appears when it is whole, and
 * never in the place of another. Or to a stream, which is ended.
 * @param entries in their order; answers all of the manifest but the list of entries
 */
export async function writeArchive(
  file: string | Writable,
  entries: () => AsyncGenerator<Entry, Omit<Manifest, 'entries'>>,
): Promise<void> {
  if (file === '-') return writeTo(process.stdout, entries, false);
  if (typeof file !== 'string') return writeTo(file, entries, true);
  const draft = join(dirname(file), `.${randomBytes(6).toString('hex')}.export`);
  try {
    await writeTo(createWriteStream(draft, { mode: 0o600, flags: 'wx' }), entries, true);
    const written = await open(draft, 'r');
    await written.sync().finally(() => written.close());
    await link(draft, file); // a link never replaces a file
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new Error(`${file} exists already; choose another name`);
  } finally {
    await rm(draft, { force: true });
  }
}

async function writeTo(
  out: Writable,
  entries: () => AsyncGenerator<Entry, Omit<Manifest, 'entries'>>,
  end: boolean,
): Promise<void> {
  const tar = pack();
  const written = pipeline(tar, new Gzip(), out, { end });
  const add = ({ name, content }: Entry) =>
    new Promise<void>((resolve, reject) => {
      tar.entry({ name, mode: 0o600 }, content, (error) => (error ? reject(error) : resolve()));
    });
  const fill = async () => {
    const list: z.infer<typeof entry>[] = [];
    const source = entries();
    for (;;) {
      const next = await source.next();
      if (next.done) {
        const text = JSON.stringify({ ...next.value, entries: list }, null, 2);
        await add({ name: manifestName, content: Buffer.from(`${text}\n`) });
        tar.finalize();
        return;
      }
      const { name, content } = next.value;
      list.push({ name, size: content.length, sha256: sha256(content) });
      await add(next.value);
    }
  };
  await Promise.all([
    written,
    fill().catch((error: Error) => {
      tar.destroy(error);
      throw error;
    }),
  ]);
}

/**
 * Compresses in this thread, whose priority that then has, and not in those that all of a process share. So many bytes are a member
 * of their own: one after the other they are one file to every tool.
 */
class Gzip extends Transform {
  static readonly memberBytes = 512 << 10;
  #held: Buffer[] = [];
  #bytes = 0;

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    this.#held.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes >= Gzip.memberBytes) this.#pack();
    done();
  }

  override _flush(done: TransformCallback): void {
    this.#pack();
    done();
  }

  #pack(): void {
    this.push(gzipSync(Buffer.concat(this.#held, this.#bytes)));
    this.#held = [];
    this.#bytes = 0;
  }
}

/** Reads the entries of a file one after the other. @throws Error saying what is wrong with the file */
async function* entriesOf(file: string): AsyncGenerator<Entry> {
  const tar = extract();
  const read = pipeline(createReadStream(file), createGunzip(), tar);
  read.catch(() => {}); // told below
  try {
    for await (const stream of tar) {
      const { name, size = 0, type } = stream.header;
      if (type !== 'file' || (!isAllowed(name) && name !== manifestName) || size > mostBytes) {
        throw new Error(`it holds ${JSON.stringify(name)}, which no export does`);
      }
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk as Buffer);
      yield { name, content: Buffer.concat(chunks) };
    }
    await read;
  } finally {
    tar.destroy();
  }
}

const damaged = (file: string, why: string): Error =>
  new Error(`${file} cannot be used: ${why}; take another export, or copy it again`);

/** Reads all of it, and answers its manifest when everything is as the manifest says. @throws Error naming what is not */
export async function verifyArchive(file: string): Promise<Manifest> {
  const seen = new Map<string, { size: number; sha256: string }>();
  let text: string | undefined;
  try {
    for await (const { name, content } of entriesOf(file)) {
      if (text !== undefined) throw new Error(`${name} comes after its manifest`);
      if (name === manifestName) text = content.toString('utf8');
      else if (seen.has(name)) throw new Error(`${name} is in it twice`);
      else seen.set(name, { size: content.length, sha256: sha256(content) });
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR') throw new Error(`cannot read ${file} (${code})`);
    throw damaged(file, error instanceof Error ? error.message : String(error));
  }
  if (text === undefined) throw damaged(file, 'its manifest is missing');
  const parsed = manifest.safeParse(jsonOf(text));
  if (!parsed.success) throw damaged(file, `its manifest is not one of ${archiveFormat}`);
  for (const { name, size, sha256: sum } of parsed.data.entries) {
    const found = seen.get(name);
    if (found === undefined) throw damaged(file, `${name} is missing in it`);
    if (found.size !== size || found.sha256 !== sum) throw damaged(file, `${name} is not what was exported`);
    seen.delete(name);
  }
  const [extra] = seen.keys();
  if (extra !== undefined) throw damaged(file, `its manifest does not name ${extra}`);
  return parsed.data;
}

/** The entries of an archive that was verified before; each is held against its checksum again. */
export async function* readArchive(file: string, { entries }: Manifest): AsyncGenerator<Entry> {
  const sums = new Map(entries.map((e) => [e.name, e.sha256]));
  for await (const { name, content } of entriesOf(file)) {
    if (name === manifestName) continue;
    if (sums.get(name) !== sha256(content)) throw damaged(file, 'it was changed while it was read');
    yield { name, content };
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
