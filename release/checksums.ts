import { createHash, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export const sumsFile = 'SHA256SUMS';
const signatureFile = `${sumsFile}.sig`;
const keyFile = 'release-key.pub.pem';
const notSummed = [sumsFile, signatureFile, keyFile];

export const sha256Of = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** `SHA256SUMS` over every file of the folder, as `sha256sum -c` reads it. */
export function writeChecksums(out: string): void {
  const files = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(out, join(entry.parentPath, entry.name)))
    .filter((file) => !notSummed.includes(file))
    .sort();
  const lines = files.map((file) => `${sha256Of(readFileSync(join(out, file)))}  ${file}\n`);
  writeFileSync(join(out, sumsFile), lines.join(''));
}

/**
 * Signs `SHA256SUMS`, and with it every file, by an Ed25519 key in PEM (`openssl genpkey -algorithm ed25519`), and puts its public half
 * beside. To verify with openssl: docs/releasing.md.
 * @throws when the key is of another kind
 */
export function signChecksums(out: string, keyPem: string): void {
  const key = createPrivateKey(keyPem);
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new Error(
      `the key of releases must be of Ed25519, not ${key.asymmetricKeyType}; openssl genpkey -algorithm ed25519`,
    );
  }
  writeFileSync(join(out, signatureFile), sign(null, readFileSync(join(out, sumsFile)), key));
  writeFileSync(join(out, keyFile), createPublicKey(key).export({ type: 'spki', format: 'pem' }));
}

/** Whether a folder is what the holder of a public key (PEM) signed: the faults that are found, a sentence each. */
export function faultsOf(out: string, publicKeyPem: string): string[] {
  const sums = readFileSync(join(out, sumsFile));
  if (!verify(null, sums, createPublicKey(publicKeyPem), readFileSync(join(out, signatureFile)))) {
    return [`${sumsFile} is not signed by this key`];
  }
  return sums
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const [sum = '', file = ''] = line.split('  ');
      return sha256Of(readFileSync(join(out, file))) === sum ? [] : [`${file} is not the one that was signed`];
    });
}
