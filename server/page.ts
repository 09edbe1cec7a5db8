import { spawn } from 'node:child_process';
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import helmet from '@fastify/helmet';
import files from '@fastify/static';
import type { Http } from '../runtime/httpShell.ts';
import { ProblemError } from '../runtime/problem.ts';

const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const dist = at('web/dist');
const sources = at('web/src');
const shell = at('web/index.html');
const vite = at('node_modules/vite/bin/vite.js');

/** Only files of this server, no inline script or style, nothing embedded, in no other page's frame. */
const contentSecurityPolicy = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
    requireTrustedTypesFor: ["'script'"],
  },
};

/**
 * Serves the administrators' page at `/` and its files below `/assets/`, to anybody: it holds no data, and what it shows it asks
 * for with the person's token. `/` is checked for news on each visit; the files' names change with their content, so they are kept.
 */
export function registerPage(http: Http): void {
  http.register(async (page) => {
    await page.register(helmet, {
      contentSecurityPolicy,
      // The three below are for HTTPS: whoever ends TLS decides, and over plain HTTP browsers only complain about them.
      strictTransportSecurity: false,
      crossOriginOpenerPolicy: false,
      originAgentCluster: false,
    });
    await page.register(files, { root: dist, serve: false, preCompressed: true, suppressWarning: true });
    const config = { role: 'public' };
    page.get('/', { config, schema: { hide: true } }, async (_request, reply) => {
      await buildIfStale((text) => http.log.info(text));
      return reply.sendFile('index.html', { maxAge: 0, immutable: false });
    });
    page.get<{ Params: { '*': string } }>('/assets/*', { config, schema: { hide: true } }, (request, reply) =>
      reply.sendFile(`assets/${request.params['*']}`, { maxAge: '365d', immutable: true }),
    );
  });
}

let building: Promise<void> | undefined;

/** In a checkout the page is built when it is first asked for, and again after its sources changed. A bundle brings it along. */
async function buildIfStale(say: (text: string) => void): Promise<void> {
  if (!existsSync(sources)) {
    if (existsSync(join(dist, 'index.html'))) return;
    throw new ProblemError({
      status: 503,
      reason: 'PageMissing',
      detail: 'this build of the server has no page; build it with "npm run build:web" before "npm run build"',
    });
  }
  if (Math.max(newest(sources), statSync(shell).mtimeMs) <= newest(dist)) return;
  building ??= build(say).finally(() => {
    building = undefined;
  });
  await building;
}

/** The time of the newest file below a folder; 0 where there is none. */
function newest(folder: string): number {
  if (!existsSync(folder)) return 0;
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((e) => e.isFile());
  return Math.max(0, ...entries.map((e) => statSync(join(e.parentPath, e.name)).mtimeMs));
}

/** Into a folder of its own, which then takes the old one's place: several servers may start from one checkout. */
async function build(say: (text: string) => void): Promise<void> {
  if (!existsSync(vite)) {
    throw new ProblemError({
      status: 503,
      reason: 'PageMissing',
      detail: 'the page is not built; run "npm ci", then "npm run build:web"',
    });
  }
  say('building the page');
  const draft = `${dist}.${process.pid}`;
  const child = spawn(process.execPath, [vite, 'build', at('web'), '--outDir', draft, '--logLevel', 'error'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) {
    rmSync(draft, { recursive: true, force: true });
    throw new ProblemError({ status: 503, reason: 'PageBroken', detail: `the page does not build: ${said.trim()}` });
  }
  rmSync(dist, { recursive: true, force: true });
  renameSync(draft, dist);
}
