import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readTgz, tarOf, writeTgz } from '../../../release/archive.ts';
import { changesOf } from '../../../release/changelog.ts';
import { artifactHub } from '../../../release/charts.ts';
import { faultsOf, sha256Of, signChecksums, writeChecksums } from '../../../release/checksums.ts';
import { krewManifest } from '../../../release/commands.ts';
import type { Release } from '../../../release/release.ts';
import { steady } from '../../../release/sbom.ts';

let out: string;
beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), 'release-'));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));
const release = (): Release => ({
  version: '1.2.3',
  commit: 'c0ffee',
  atSeconds: 1_790_000_000,
  out,
  downloads: 'https://example.org/v1.2.3',
  say: () => {},
});

describe('an archive', () => {
  const entries = ['b', 'a', 'dir/c'].map((name) => ({ name, mode: 0o644, bytes: Buffer.from(`of ${name}`) }));

  it('has the same bytes whatever the order in which its files were found', async () => {
    expect(await tarOf(entries, 5)).toEqual(await tarOf(entries.toReversed(), 5));
    expect(await tarOf(entries, 5)).not.toEqual(await tarOf(entries, 6));
  });

  it('comes back as it was', async () => {
    const file = join(out, 'a.tgz');
    await writeTgz(file, [...entries, { name: 'run', mode: 0o755, bytes: Buffer.from('#!/bin/sh\n') }], 5);
    const back = await readTgz(file);
    expect(back.map(({ name }) => name)).toEqual(['a', 'b', 'dir/c', 'run']);
    expect(back.at(-1)?.mode).toBe(0o755);
    expect(execFileSync('tar', ['xzOf', file, 'dir/c'], { encoding: 'utf8' })).toBe('of dir/c');
  });
});

describe('the changelog of a version', () => {
  const text = '# Changelog\n\n## Unreleased\n### Added\n- new\n\n## 1.2.0 (2026-01-01)\n- old\n\n## 1.1.0\n- older\n';
  it('is its section, or what is not released yet', () => {
    expect(changesOf(text, '1.2.0')).toBe('- old');
    expect(changesOf(text, '1.3.0')).toBe('### Added\n- new');
    expect(() => changesOf('# Changelog\n', '1.0.0')).toThrow(/no section 1\.0\.0/);
  });

  it('is what Artifact Hub shows, in whole sentences without links', () => {
    const told = artifactHub(
      'licence-operator',
      release(),
      '### Added\n- one\n  and [more](a.md)\n- two\n\n### Changed\n- x\n',
    );
    expect(parse(told['artifacthub.io/changes'])).toEqual([
      { kind: 'added', description: 'one and more' },
      { kind: 'added', description: 'two' },
    ]);
    expect(parse(told['artifacthub.io/images']).map(({ image }: { image: string }) => image)).toEqual([
      'softonit/licence-operator:1.2.3',
      'softonit/licence-server:1.2.3',
    ]);
  });
});

describe('checksums and signature', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const pub = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const sign = () => {
    mkdirSync(join(out, 'charts'));
    writeFileSync(join(out, 'charts', 'a.tgz'), 'a');
    writeFileSync(join(out, 'CHANGES.md'), 'b');
    writeChecksums(out);
    signChecksums(out, pem);
  };

  it('are what openssl and sha256sum accept, by the words of the documentation', () => {
    sign();
    const page = readFileSync(new URL('../../../docs/releasing.md', import.meta.url), 'utf8');
    const [, block = ''] = /```sh verify\n([\s\S]*?)```/.exec(page) ?? [];
    expect(block).toContain('openssl pkeyutl');
    expect(execFileSync('sh', ['-ec', block], { cwd: out, encoding: 'utf8' })).toContain('charts/a.tgz: OK');
    writeFileSync(join(out, 'charts', 'a.tgz'), 'other');
    expect(() => execFileSync('sh', ['-ec', block], { cwd: out, stdio: 'pipe' })).toThrow();
  });

  it('tell a file that was changed, a list that was changed, and another key', () => {
    sign();
    expect(faultsOf(out, pub)).toEqual([]);
    writeFileSync(join(out, 'CHANGES.md'), 'other');
    expect(faultsOf(out, pub)).toEqual(['CHANGES.md is not the one that was signed']);
    writeChecksums(out);
    expect(faultsOf(out, pub)).toEqual(['SHA256SUMS is not signed by this key']);
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
    signChecksums(out, pem);
    expect(faultsOf(out, other)).toEqual(['SHA256SUMS is not signed by this key']);
  });

  it('are the same each time, and a key of another kind is refused', () => {
    sign();
    const first = readFileSync(join(out, 'SHA256SUMS.sig'));
    writeChecksums(out);
    signChecksums(out, pem);
    expect(readFileSync(join(out, 'SHA256SUMS.sig'))).toEqual(first);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    expect(() => signChecksums(out, rsa.export({ type: 'pkcs8', format: 'pem' }).toString())).toThrow(
      /Ed25519, not rsa/,
    );
  });
});

it('the manifest of Krew names the files with their checksums', () => {
  mkdirSync(join(out, 'cli'));
  for (const name of ['linux-x64', 'win-x64', 'node'])
    writeFileSync(join(out, 'cli', `kubectl-licence-${name}.tar.gz`), name);
  const manifest = parse(krewManifest(release(), ['linux-x64', 'win-x64']));
  expect(manifest).toMatchObject({ kind: 'Plugin', metadata: { name: 'licence' }, spec: { version: 'v1.2.3' } });
  expect(manifest.spec.platforms.map((p: { selector: { matchLabels: object } }) => p.selector.matchLabels)).toEqual([
    { os: 'linux', arch: 'amd64' },
    { os: 'windows', arch: 'amd64' },
    { os: 'darwin' },
  ]);
  for (const { uri, sha256, bin, files } of manifest.spec.platforms) {
    const file = uri.replace('https://example.org/v1.2.3/', '');
    expect(sha256).toBe(sha256Of(readFileSync(join(out, file))));
    expect(files.map(({ from }: { from: string }) => from)).toContain(bin);
  }
});

it('the SBOM is the same each time, and another where a package is another', () => {
  const bom = (purl: string, time: string) => ({
    serialNumber: `urn:uuid:${time}`,
    metadata: { timestamp: time, component: { version: '0' } },
    components: [{ purl }],
  });
  expect(steady(bom('a', '1'), '1.2.3', 5)).toEqual(steady(bom('a', '2'), '1.2.3', 5));
  expect(steady(bom('a', '1'), '1.2.3', 5).serialNumber).not.toBe(steady(bom('b', '1'), '1.2.3', 5).serialNumber);
  expect(steady(bom('a', '1'), '1.2.3', 5).serialNumber).toMatch(
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/,
  );
});
