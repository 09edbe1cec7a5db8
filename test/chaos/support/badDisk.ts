import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { ensureCommands } from '../../../cluster/debian.ts';
import { say } from './size.ts';

/**
 * Whether this machine can make a disk bad: strace holds the flushes of a process back, or has them fail, as a worn-out or
 * overloaded disk does. That needs neither a kernel module nor a file system of its own. Said aloud when it cannot.
 */
export async function canMakeDiskBad(): Promise<boolean> {
  try {
    await ensureCommands({ strace: 'strace' }, 'to make a slow disk');
  } catch (error) {
    say(`SKIPPED: a slow disk: ${error instanceof Error ? error.message : error}`);
    return false;
  }
  const tried = spawnSync('strace', ['-f', '-qq', '-e', 'inject=fsync:delay_enter=1', '-o', '/dev/null', 'true']);
  if (tried.status !== 0) say(`SKIPPED: a slow disk: processes may not be traced here: ${String(tried.stderr).trim()}`);
  return tried.status === 0;
}

/** `delay_enter=400ms`: each flush takes so much longer; `error=EIO`: each flush fails. Until disposed. */
export async function badDisk(pids: readonly number[], fault: string): Promise<AsyncDisposable> {
  const flushes = 'fsync,fdatasync';
  const tracer: ChildProcess = spawn(
    'strace',
    [
      '-f',
      '-qq',
      '-e',
      `trace=${flushes}`,
      '-e',
      `inject=${flushes}:${fault}`,
      '-o',
      '/dev/null',
      ...pids.flatMap((pid) => ['-p', `${pid}`]),
    ],
    { stdio: 'ignore' },
  );
  const ended = once(tracer, 'exit');
  const traced = () => readdirSync('/proc').filter((p) => /^\d+$/.test(p) && isTracedBy(p, tracer.pid)).length;
  const end = Date.now() + 20_000;
  while (traced() < 1 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  return {
    [Symbol.asyncDispose]: async () => {
      // strace leaves a process alone only when told to end; a second signal does not wait for a held-back flush
      tracer.kill('SIGINT');
      const late = setTimeout(() => tracer.kill('SIGKILL'), 2_000);
      await ended;
      clearTimeout(late);
    },
  };
}

function isTracedBy(pid: string, tracer: number | undefined): boolean {
  try {
    return new RegExp(`^TracerPid:\\s*${tracer}$`, 'm').test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
