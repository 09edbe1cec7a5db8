import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { Decrypter, Encrypter } from 'age-encryption';
import { readSmallFileSync } from '../../runtime/smallFile.ts';

/**
 * Archives as files of age (age-encryption.org): who writes knows the recipients only, so a stolen server opens no archive.
 * Loaded only where archives are encrypted.
 */

/** @throws Error naming the recipient that is none */
export async function encrypted(source: Readable, recipients: readonly string[]): Promise<AsyncIterable<Uint8Array>> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch {
      throw new Error(`"${recipient}" is no recipient of age; it begins with age1 (age-keygen prints it)`);
    }
  }
  const stream = await encrypter.encrypt(Readable.toWeb(source) as never);
  return stream as unknown as ReadableStream<Uint8Array>;
}

/** @throws Error when the file holds no identity, or none that opens it */
export async function decrypted(source: Readable, identityFile: string): Promise<AsyncIterable<Uint8Array>> {
  const decrypter = new Decrypter();
  let count = 0;
  for (const line of readIdentities(identityFile)) {
    try {
      decrypter.addIdentity(line);
      count += 1;
    } catch {
      throw new Error(`${identityFile} has a line that is no identity of age; it begins with AGE-SECRET-KEY-`);
    }
  }
  if (count === 0) throw new Error(`${identityFile} holds no identity of age (AGE-SECRET-KEY-…)`);
  try {
    const stream = await decrypter.decrypt(Readable.toWeb(source) as never);
    return stream as unknown as ReadableStream<Uint8Array>;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`the archive is not opened by the identity in ${identityFile} (${why})`);
  }
}

function readIdentities(file: string): string[] {
  try {
    const lines = readSmallFileSync(file).split('\n');
    return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  } catch (error) {
    throw new Error(`the age identity ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
