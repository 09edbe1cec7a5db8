import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSmallFile } from '../../runtime/smallFile.ts';

/** Keeps small secrets in the database under a key that is not in it: a copy of the database gives none of them away. */
export interface SecretBox {
  /** @param owner whose it is: put into somebody else's row it cannot be opened */
  close(text: string, owner: string): Buffer;
  /** @throws when it was closed by another key, for another owner, or is damaged */
  open(closed: Buffer, owner: string): string;
}

const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;

/** With the key in `cabinet.key` of the data directory, beside the signing keys; it is made at the first start. */
export async function openSecretBox(dataDir: string): Promise<SecretBox> {
  const path = join(dataDir, 'cabinet.key');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await writeFile(path, `${randomBytes(keyBytes).toString('base64')}\n`, { flag: 'wx', mode: 0o600 }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    },
  );
  const key = Buffer.from(await readSmallFile(path), 'base64');
  if (key.length !== keyBytes) throw new Error(`${path} is damaged; restore it from a backup`);
  return createSecretBox(key);
}

/** @param key 32 bytes */
export const createSecretBox = (key: Buffer): SecretBox => ({
  close: (text, owner) => {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(owner));
    const hidden = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
    return Buffer.concat([iv, cipher.getAuthTag(), hidden]);
  },
  open: (closed, owner) => {
    const textAt = ivBytes + tagBytes;
    const decipher = createDecipheriv('aes-256-gcm', key, closed.subarray(0, ivBytes), { authTagLength: tagBytes });
    decipher.setAAD(Buffer.from(owner)).setAuthTag(closed.subarray(ivBytes, textAt));
    return Buffer.concat([decipher.update(closed.subarray(textAt)), decipher.final()]).toString('utf8');
  },
});
