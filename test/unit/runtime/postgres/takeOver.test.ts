import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { takeOver } from '../../../../runtime/postgres/takeOver.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'take-over-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it.runIf(process.getuid !== undefined)(
  'data that were taken over only in part are taken over wholly by the next start',
  () => {
    const data = join(root, '15');
    mkdirSync(join(data, 'base'), { recursive: true, mode: 0o770 });
    writeFileSync(join(data, 'PG_VERSION'), '15\n');
    mkdirSync(join(root, '15.taken'));
    writeFileSync(join(root, '15.taken', 'postgresql.conf'), '');
    takeOver(data, process.getuid?.() ?? 0);
    expect(readdirSync(root)).toEqual(['15']);
    expect(readdirSync(data).sort()).toEqual(['PG_VERSION', 'base', 'postgresql.conf']);
    takeOver(data, process.getuid?.() ?? 0);
    expect(lstatSync(data).mode & 0o777).toBe(0o700);
  },
);
