import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tokensFrom } from '../../../authority/access.ts';
import { openSecretBox } from '../../../authority/cabinet/secretBox.ts';
import { openSigningKeys } from '../../../authority/signingKeys.ts';
import { tlsOptions } from '../../../runtime/database/tls.ts';
import { readSmallFile, readSmallFileSync } from '../../../runtime/smallFile.ts';
import { TokenFiles } from '../../../server/access/tokens.ts';
import { followCertificates } from '../../../server/keys/caFile.ts';
import { loadIdentity } from '../../../server/keys/identity.ts';
import { openKeyRecords } from '../../../server/keys/keyRecords.ts';
import { readCertificate } from '../../../server/tls.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'small-file-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const make = {
  pipe: (path: string) => execFileSync('mkfifo', [path]),
  folder: (path: string) => mkdirSync(path),
  'file of 5 MiB': (path: string) => {
    writeFileSync(path, '');
    truncateSync(path, 5 << 20);
  },
};

describe.each(Object.entries(make))('a %s where a file is expected is said at once, by', (_, put) => {
  const place = (name: string): string => {
    put(join(dir, name));
    return join(dir, name);
  };
  const code = /ENOTFILE|EISDIR|EFBIG/;

  it('both readers', async () => {
    const path = place('some');
    expect(() => readSmallFileSync(path)).toThrow(code);
    await expect(readSmallFile(path)).rejects.toThrow(code);
  });
  it('what reads certificates', () => {
    const path = place('tls.crt');
    expect(() => readCertificate(dir)).toThrow(code);
    expect(() => followCertificates(path, 'LICENCE_AUTHORITY_CA')).toThrow(code);
    expect(() => tlsOptions({ mode: 'verify-full', ca: path })).toThrow(code);
  });
  it('what reads the identity of a server', async () => {
    await expect(loadIdentity({ file: place('given.pem'), dataDir: dir })).rejects.toThrow(code);
    put(join(dir, 'identity.pem'));
    await expect(loadIdentity({ dataDir: dir })).rejects.toThrow(code);
  });
  it('what reads the records of its keys', async () => {
    place('settings.json');
    await expect(openKeyRecords(dir, () => {})).rejects.toThrow(code);
  });
  it('what reads its tokens', () => {
    place('client');
    expect(() => new TokenFiles(dir, pino({ enabled: false }))).toThrow(code);
  });
  it('what reads the authority’s keys', async () => {
    place('signing-keys.json');
    await expect(openSigningKeys(dir, 0)).rejects.toThrow(code);
    place('cabinet.key');
    await expect(openSecretBox(dir)).rejects.toThrow(code);
  });
  it('what reads the authority’s tokens, and the last ones stay', async () => {
    writeFileSync(join(dir, 'vendor'), 'a-token-of-the-vendor\n');
    const told: string[] = [];
    let nowMs = 0;
    const tokens = tokensFrom(
      dir,
      () => nowMs,
      (message) => told.push(message),
    );
    expect(await tokens()).toHaveLength(1);
    rmSync(join(dir, 'vendor'));
    place('vendor');
    for (nowMs of [10_000, 20_000]) expect(await tokens()).toHaveLength(1);
    expect(told).toEqual([expect.stringMatching(code)]);
    rmSync(join(dir, 'vendor'), { recursive: true });
    nowMs = 30_000;
    expect(await tokens()).toHaveLength(0);
  });
});
