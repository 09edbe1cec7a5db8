import { generateKeyPairSync, verify } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprintOf, publicKeyFrom } from '../../../../licence/fingerprint.ts';
import { loadIdentity } from '../../../../server/keys/identity.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'identity-'));
});
afterEach(() => rm(dir, { recursive: true }));

describe('the identity', () => {
  it('is made once, for the server alone to read, and signs what its public key verifies', async () => {
    const dataDir = join(dir, 'made', 'anew');
    const first = await loadIdentity({ dataDir });
    expect(await loadIdentity({ dataDir })).toMatchObject({
      fingerprint: first.fingerprint,
      publicKey: first.publicKey,
    });
    expect((await stat(join(dataDir, 'identity.pem'))).mode & 0o777).toBe(0o600);
    expect(first.fingerprint).toBe(fingerprintOf(Buffer.from(first.publicKey, 'base64url')));
    const key = publicKeyFrom(first.publicKey);
    expect(key && verify(null, Buffer.from('text'), key, first.sign(Buffer.from('text')))).toBe(true);
  });

  it('is one when several servers start on one folder at once, and leaves no drafts', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => loadIdentity({ dataDir: dir })));
    expect(new Set(all.map((i) => i.fingerprint)).size).toBe(1);
    expect(await readdir(dir)).toEqual(['identity.pem']);
  });

  it('is read from the file that is given', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const file = join(dir, 'given.pem');
    await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const { publicKey: raw } = await loadIdentity({ file, dataDir: dir });
    expect(raw).toBe(publicKey.export({ format: 'jwk' }).x);
    expect(await readdir(dir)).toEqual(['given.pem']);
  });

  it.each([
    ['is missing', undefined, 'ENOENT'],
    ['is empty', '', 'no Ed25519 private key'],
    ['is of another kind', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'no Ed25519 private key'],
    ['is public', generateKeyPairSync('ed25519').publicKey, 'no Ed25519 private key'],
  ])('that %s is refused with the path, and never replaced', async (_, content, says) => {
    const file = join(dir, 'given.pem');
    const text =
      typeof content === 'object'
        ? content.export({ type: content.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' })
        : content;
    if (text !== undefined) await writeFile(file, text);
    const read = loadIdentity({ file, dataDir: dir });
    await expect(read).rejects.toThrow(file);
    await expect(loadIdentity({ file, dataDir: dir })).rejects.toThrow(says);
  });

  it('that is damaged in the data directory is not made anew: it would be another computer', async () => {
    await writeFile(join(dir, 'identity.pem'), 'damaged');
    await expect(loadIdentity({ dataDir: dir })).rejects.toThrow('no Ed25519 private key');
  });
});
