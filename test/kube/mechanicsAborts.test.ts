import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, inject, it } from 'vitest';

const program = fileURLToPath(new URL('../support/abortedRequests.ts', import.meta.url));

it('requests that are aborted at any moment leave a process that goes on', { timeout: 90_000 }, async () => {
  // The fault takes a gigabyte a second: it ends at the limit of its memory, not of the machine's.
  const limited = 'ulimit -v 16000000; exec "$0" "$@"';
  const args = ['-c', limited, process.execPath, program, inject('kubeconfig')];
  const { stdout } = await promisify(execFile)('sh', args, { timeout: 60_000, killSignal: 'SIGKILL' });
  expect(Number(/^(\d+) aborted/.exec(stdout)?.[1])).toBeGreaterThan(1_000);
});
