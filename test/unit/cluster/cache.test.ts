import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { cached, keyOf, withLock } from '../../../cluster/cache.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cache-test-'));
  vi.stubEnv('LICENCE_CACHE_DIR', dir);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

it('a piece is made once for its inputs, and again for others', async () => {
  let made = 0;
  const make = async (draft: string) => {
    made += 1;
    writeFileSync(join(draft, 'piece'), String(made));
  };
  const first = await cached('tool', keyOf('a'), make);
  expect(await cached('tool', keyOf('a'), make)).toBe(first);
  const other = await cached('tool', keyOf('b'), make);
  expect([first, other].map((d) => readFileSync(join(d, 'piece'), 'utf8'))).toEqual(['1', '2']);
});

it('a piece whose making failed is not there, and is made from nothing the next time', async () => {
  const fail = async (draft: string) => {
    writeFileSync(join(draft, 'half'), '');
    throw new Error('no network');
  };
  await expect(cached('tool', 'k', fail)).rejects.toThrow('no network');
  expect(readdirSync(join(dir, 'softonit-licence')).filter((name) => name.startsWith('tool'))).toEqual([]);
  expect(readdirSync(await cached('tool', 'k', async () => {}))).toEqual([]);
});

it('the key tells inputs apart that look the same when joined', () => {
  expect(keyOf('ab', 'c')).not.toBe(keyOf('a', 'bc'));
});

it('callers in one process take turns, and one that failed does not hold up the next', async () => {
  const order: string[] = [];
  const work = (name: string) => async () => {
    order.push(`${name} in`);
    await Promise.resolve();
    order.push(`${name} out`);
    if (name === 'a') throw new Error('failed');
  };
  const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => withLock('turns', work(name))));
  expect(results.map((r) => r.status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  expect(order).toEqual(['a in', 'a out', 'b in', 'b out', 'c in', 'c out']);
});

const inAnotherProcess = (code: string) =>
  spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, LICENCE_CACHE_DIR: dir },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
const cacheModule = JSON.stringify(new URL('../../../cluster/cache.ts', import.meta.url).href);

it('a lock is waited for while its process lives, and taken over when that was killed', async () => {
  const child = inAnotherProcess(`
    const { withLock } = await import(${cacheModule});
    await withLock('shared', () => new Promise(() => { console.log('held'); setInterval(() => {}, 1000); }));`);
  await once(child.stdout, 'data');
  let entered = false;
  const mine = withLock('shared', async () => {
    entered = true;
  });
  const isTaken = await Promise.race([
    mine.then(() => 'entered'),
    once(child, 'exit', { signal: AbortSignal.timeout(500) }),
  ]).catch(() => 'waiting');
  expect([isTaken, entered]).toEqual(['waiting', false]);
  child.kill('SIGKILL');
  await mine;
  expect(entered).toBe(true);
});

it('of many processes that want the same piece exactly one makes it', async () => {
  mkdirSync(join(dir, 'makers'));
  const code = `
    const { cached } = await import(${cacheModule});
    const { writeFileSync } = await import('node:fs');
    await cached('piece', 'k', async (draft) => {
      writeFileSync(${JSON.stringify(join(dir, 'makers'))} + '/' + process.pid, '');
      await new Promise((resolve) => setTimeout(resolve, 100));
      writeFileSync(draft + '/whole', '');
    });`;
  const ends = await Promise.all([1, 2, 3, 4].map(() => once(inAnotherProcess(code), 'exit')));
  expect(ends.map(([status]) => status)).toEqual([0, 0, 0, 0]);
  expect(readdirSync(join(dir, 'makers'))).toHaveLength(1);
  expect(existsSync(join(dir, 'softonit-licence', 'piece-k', 'whole'))).toBe(true);
}, 20_000);
