import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { run } from '../../cluster/process.ts';
import { ensureTools } from '../../cluster/tools.ts';
import { readTgz } from '../../release/archive.ts';
import { faultsOf } from '../../release/checksums.ts';
import { repository } from '../support/sources.ts';

// Everything of a release but the images, which test/e2e/cluster/images.test.ts builds, and the executables.
const parts = 'changelog,charts,manifests,npm,cli,sbom,operatorhub';
const { helm } = await ensureTools(['helm', 'operator-verify'], 'to make a release');

describe('a release', () => {
  let dir: string;
  let publicKey: string;
  const out = (n: number) => join(dir, String(n));
  const read = (file: string) => readFileSync(join(out(1), file), 'utf8');
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'release-'));
    const pair = generateKeyPairSync('ed25519');
    publicKey = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const key = join(dir, 'key.pem');
    writeFileSync(key, pair.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    for (const n of [1, 2]) {
      const args = ['release/main.ts', '--dry-run', '--only', parts, '--key', key, '--out', out(n)];
      await run(process.execPath, args, { cwd: repository, onLine: (line) => console.log(`release ${n}: ${line}`) });
    }
  }, 900_000); // half a minute each on a machine that is free
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('has the same bytes each time, and is what was signed', () => {
    const sums = read('SHA256SUMS');
    expect(sums.trim().split('\n').length).toBeGreaterThan(12);
    expect(readFileSync(join(out(2), 'SHA256SUMS'), 'utf8')).toBe(sums);
    expect(readFileSync(join(out(2), 'SHA256SUMS.sig'))).toEqual(readFileSync(join(out(1), 'SHA256SUMS.sig')));
    expect(faultsOf(out(1), publicKey)).toEqual([]);
  });

  it('has charts that Helm takes, with what Artifact Hub shows', async () => {
    const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
    for (const chart of ['licence-operator', 'licence-authority']) {
      const file = join(out(1), 'charts', `${chart}-${version}.tgz`);
      expect(await run(helm, ['lint', '--strict', file])).toContain('0 chart(s) failed');
      const names = (await readTgz(file)).map(({ name }) => name);
      expect(names).toContain(`${chart}/Chart.yaml`);
      expect(names.filter((name) => name.includes('/tests/') && !name.includes('/templates/'))).toEqual([]);
      expect(await run(helm, ['show', 'chart', file])).toContain('artifacthub.io/images');
    }
  });

  it('has manifests, commands, a package and an SBOM that are what they say', async () => {
    const kinds = parseAllDocuments(read('manifests/licence-operator.yaml')).map((d) => d.toJS().kind);
    expect(kinds).toEqual(expect.arrayContaining(['CustomResourceDefinition', 'Deployment', 'Role']));
    const command = await readTgz(join(out(1), 'cli/kubectl-licence-node.tar.gz'));
    expect(command.find(({ name }) => name === 'kubectl-licence')?.mode).toBe(0o755);
    expect(await run(process.execPath, [join(out(1), 'cli/licence.mjs'), '--help'])).toContain('licence');
    const bom = JSON.parse(read('sbom/softonit-licence.cdx.json'));
    expect(bom.bomFormat).toBe('CycloneDX');
    const names = bom.components.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(['fastify', 'pg']));
    expect(names).not.toContain('vitest');
    expect(read('README.md')).toContain('## Not in it');
  });

  it('says no without --dry-run where something is not committed or not tagged, and what to do', async () => {
    const failed = await run(process.execPath, ['release/main.ts', '--out', join(dir, 'none')], {
      cwd: repository,
    }).catch((error: Error) => error.message);
    expect(failed).toMatch(/(not committed|has no tag v\d).*--dry-run/);
  });
});
