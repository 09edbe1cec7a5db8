import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { say } from './size.ts';

/** Whether this account may mount a file system; said aloud when not. */
export function canMount(what: string): boolean {
  const can = process.platform === 'linux' && process.getuid?.() === 0;
  if (!can) say(`SKIPPED: ${what} needs root on Linux, to mount a small tmpfs`);
  return can;
}

/** A file system of its own at a directory; undefined, said aloud, where mounts are forbidden. */
export function mountSmallDisk(dir: string, options: string): Disposable | undefined {
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', dir]);
  if (mounted.status !== 0) {
    say(`SKIPPED: a small disk: ${String(mounted.stderr).trim()}`);
    return undefined;
  }
  return {
    [Symbol.dispose]: () => {
      spawnSync('umount', [dir]);
    },
  };
}

/** A file that takes all the room but `leave` bytes; the answer removes it. */
export function fillUp(dir: string, leave: number): () => void {
  const file = join(dir, 'ballast');
  const fd = openSync(file, 'w');
  const block = Buffer.alloc(64 * 1024);
  const free = () => {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize;
  };
  while (free() > leave + block.length) writeSync(fd, block);
  closeSync(fd);
  return () => rmSync(file);
}
