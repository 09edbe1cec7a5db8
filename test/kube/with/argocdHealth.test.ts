import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../../cluster/process.ts';
import { ensureTools } from '../../../cluster/tools.ts';
import { repository } from '../../support/sources.ts';
import { lives } from './lives.ts';

// The health check as people paste it into Argo CD, run by Lua itself over what the operator says in each state.
const { lua } = await ensureTools(['lua'], "to run Argo CD's health check");
const dir = mkdtempSync(join(tmpdir(), 'licence-lua-'));

const literal = (value: unknown): string => {
  if (value === null || value === undefined) return 'nil';
  if (Array.isArray(value)) return `{${value.map(literal).join(',')}}`;
  if (typeof value !== 'object') return typeof value === 'string' ? JSON.stringify(value) : String(value);
  return `{${Object.entries(value)
    .map(([name, of]) => `[${JSON.stringify(name)}]=${literal(of)}`)
    .join(',')}}`;
};

test.each(lives)('$name: $health', async ({ object, health }) => {
  const program = join(dir, 'run.lua');
  const check = join(repository, 'docs/with/argocd-health.lua');
  writeFileSync(
    program,
    `obj = ${literal(object)}\nlocal hs = assert(loadfile(${JSON.stringify(check)}))()\nprint(hs.status)\nprint(hs.message)`,
  );
  const [status, message] = (await run(lua, [program])).trim().split('\n');
  expect(status).toBe(health);
  expect(message).toBeTruthy();
});
