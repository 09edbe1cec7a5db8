import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildKubectlLicence } from '../../../../kubectlPackage.ts';

// What somebody waits for at each start of `kubectl licence` is mostly the reading of its own text.
describe('the one file of kubectl licence', () => {
  const dir = mkdtempSync(join(tmpdir(), 'kubectl-licence-'));
  const file = join(dir, 'out', 'kubectl-licence');
  beforeAll(() => buildKubectlLicence(join(dir, 'out'), []));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const run = (args: readonly string[], env: Record<string, string> = {}) =>
    execFileSync(process.execPath, [...args], {
      timeout: 60_000,
      env: { ...process.env, HOME: dir, ...env },
      encoding: 'utf8',
    });

  it('holds what the commands use of its libraries, and each character is a byte', () => {
    const text = readFileSync(file, 'utf8');
    expect(text.length).toBeLessThan(1_650_000);
    expect(/[^\0-\u00ff]/.exec(text)?.[0]).toBeUndefined();
  });
  it('reads neither a schema, YAML, a log nor HTTP/2 before a command asks for them', () => {
    const loaded = `process.argv[2] = '--version'; process.on('exit', () => console.log(process.moduleLoadList.join()));`;
    const modules = run(['-e', `${loaded} process.argv[1] = '${file}'; require('${file}')`]);
    expect(modules).toContain('NativeModule https');
    expect(modules).not.toContain('NativeModule http2');
    expect(modules).not.toContain('NativeModule worker_threads'); // pino
  });
  it('ends without a word when its reader has read enough', () => {
    const command = `"${process.execPath}" "${file}" --help | true`;
    const { status, stderr } = spawnSync('/bin/sh', ['-c', command], {
      env: { ...process.env, HOME: dir },
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
  it('keeps what Node made of it where kubectl keeps such things, and does without where it cannot', () => {
    run([file, '--version'], { KUBECACHEDIR: join(dir, 'kept') });
    expect(readdirSync(join(dir, 'kept'))).toEqual(['licence']);
    run([file, '--version']);
    expect(readdirSync(join(dir, '.kube', 'cache'))).toEqual(['licence']);
    expect(run([file, '--version'], { KUBECACHEDIR: '/proc/none/at/all' })).toMatch(/^\d+\.\d+\.\d+/);
    expect(run([file, '--version'], { NODE_DISABLE_COMPILE_CACHE: '1' })).toMatch(/^\d+\.\d+\.\d+/);
  });
});
