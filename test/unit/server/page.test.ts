import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createHttp } from '../../../runtime/httpShell.ts';
import { registerPage } from '../../../server/page.ts';

let web: string;
let said: string[];
beforeEach(() => {
  web = mkdtempSync(join(tmpdir(), 'web-'));
  said = [];
  mkdirSync(join(web, 'src'));
  writeFileSync(join(web, 'src', 'main.tsx'), '');
});
afterEach(() => rmSync(web, { recursive: true }));

async function visit() {
  const http = createHttp(pino({ base: null, timestamp: false }, { write: (line) => said.push(line) }));
  registerPage(http, web);
  const { statusCode, body } = await http.inject({ method: 'GET', url: '/' });
  await http.close();
  return { status: statusCode, body };
}

it('a page that is not built is told to the administrator at the start, and a visitor makes nothing start', async () => {
  const { status, body } = await visit();
  expect([status, JSON.parse(body).reason]).toEqual([503, 'PageMissing']);
  expect(body).not.toMatch(/vite|Error|\/web|npm/);
  expect(said.join('')).toContain('the page is not built; run \\"npm run build:web\\"');
  expect(readdirSync(web)).toEqual(['src']);
});

it('a page older than its sources is shown as it is, and that is told at the start', async () => {
  mkdirSync(join(web, 'dist'));
  writeFileSync(join(web, 'dist', 'index.html'), 'old');
  expect(await visit()).toEqual({ status: 200, body: 'old' });
  expect(said.join('')).not.toContain('page');
  utimesSync(join(web, 'dist', 'index.html'), 1, 1);
  expect(await visit()).toEqual({ status: 200, body: 'old' });
  expect(said.join('')).toContain('the page is older than its sources');
});
