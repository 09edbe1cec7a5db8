import { createPrivateKey, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';
import { link, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fingerprintOf, rawPublicKey } from '../../licence/fingerprint.ts';
import { readSmallFile } from '../../runtime/smallFile.ts';
import { writeDurably } from './durableFile.ts';

/** Who this server is: the private key that makes it one computer, wherever it runs. */
export interface Identity {
  readonly fingerprint: string;
  /** Ed25519, raw 32 bytes, base64url. */
  readonly publicKey: string;
  /** Ed25519 signature, 64 bytes. */
  sign(bytes: Uint8Array): Buffer;
}

/**
 * Reads the identity from `file` (PKCS#8 PEM), or, without one, from `<dataDir>/identity.pem`, which is made at the first
 * start and never again.
 * @throws Error naming the file when it is missing or is no Ed25519 private key
 */
export async function loadIdentity(from: { readonly file?: string; readonly dataDir: string }): Promise<Identity> {
  const file = from.file ?? join(from.dataDir, 'identity.pem');
  if (from.file === undefined) await makeOnce(from.dataDir, file);
  return identityOf(await readKey(file));
}

export function identityOf(key: KeyObject): Identity {
  const raw = rawPublicKey(key);
  return {
    fingerprint: fingerprintOf(raw),
    publicKey: raw.toString('base64url'),
    sign: (bytes) => sign(null, bytes, key),
  };
}

async function readKey(file: string): Promise<KeyObject> {
  const hint = 'give the PKCS#8 PEM file of an Ed25519 private key';
  const pem = await readSmallFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`cannot read the server's identity ${file} (${error.code}); ${hint}`);
  });
  const key = ((): KeyObject | undefined => {
    try {
      return createPrivateKey(pem);
    } catch {
      return undefined; // the reason would show parts of the key
    }
  })();
  if (key?.asymmetricKeyType !== 'ed25519') throw new Error(`${file} is no Ed25519 private key; ${hint}`);
  return key;
}

/** Two servers that start side by side on one folder must end with one identity: a link never replaces a file. */
async function makeOnce(dataDir: string, file: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const exists = await readSmallFile(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
  if (exists) return;
  const draft = join(dataDir, `.identity-${randomUUID()}.pem`);
  const { privateKey } = generateKeyPairSync('ed25519');
  await writeDurably(draft, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  try {
    await link(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}
