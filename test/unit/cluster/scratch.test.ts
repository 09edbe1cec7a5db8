import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createScratch, ownerLives, ownerMark, startOf } from '../../../cluster/scratch.ts';

const deadPid = async (): Promise<number> => {
  const child = spawn('true');
  await once(child, 'exit');
  return child.pid ?? 0;
};

it('a new scratch directory removes those of dead processes of its kind, and no others', async () => {
  const mine = createScratch('unit');
  const dead = join(tmpdir(), `softonit-licence-unit-${await deadPid()}-abcdef`);
  const otherKind = join(tmpdir(), `softonit-licence-unitother-${await deadPid()}-abcdef`);
  for (const dir of [dead, otherKind]) mkdirSync(dir);
  writeFileSync(join(dead, 'owner'), `${await deadPid()} 1\n`);
  const second = createScratch('unit');
  expect([mine, second, dead, otherKind].map((dir) => existsSync(dir))).toEqual([true, true, false, true]);
  for (const dir of [mine, second, otherKind]) rmSync(dir, { recursive: true });
});

it('a mark names its process, not a later one that got the same number', () => {
  expect(ownerLives(ownerMark())).toBe(true);
  expect(ownerLives(`${process.pid} ${Number(startOf(process.pid)) - 1}`)).toBe(false);
  expect(ownerLives('')).toBe(false);
});
