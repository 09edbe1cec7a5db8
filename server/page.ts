import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import helmet from '@fastify/helmet';
import files from '@fastify/static';
import type { Http } from '../runtime/httpShell.ts';
import { ProblemError } from '../runtime/problem.ts';

const ownFolder = fileURLToPath(new URL('../web', import.meta.url));

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
 * It is built before (`npm run build:web`): a visitor starts nothing.
 * @param web folder with `dist`, and in a checkout with the sources
 */
export function registerPage(http: Http, web = ownFolder): void {
  const fault = faultOf(web);
  if (fault !== undefined) http.log.warn(fault);
  http.register(async (page) => {
    await page.register(helmet, {
      contentSecurityPolicy,
      // The three below are for HTTPS: whoever ends TLS decides, and over plain HTTP browsers only complain about them.
      strictTransportSecurity: false,
      crossOriginOpenerPolicy: false,
      originAgentCluster: false,
    });
    await page.register(files, { root: join(web, 'dist'), serve: false, preCompressed: true, suppressWarning: true });
    const config = { role: 'public' };
    page.get('/', { config, schema: { hide: true } }, (_request, reply) => {
      if (!existsSync(join(web, 'dist', 'index.html'))) {
        throw new ProblemError({ status: 503, reason: 'PageMissing', detail: 'this server has no page' });
      }
      return reply.sendFile('index.html', { maxAge: 0, immutable: false });
    });
    page.get<{ Params: { '*': string } }>('/assets/*', { config, schema: { hide: true } }, (request, reply) =>
      reply.sendFile(`assets/${request.params['*']}`, { maxAge: '365d', immutable: true }),
    );
  });
}

/** What keeps the page of a checkout from being shown as its sources are; undefined where nothing does. A bundle brings it along. */
function faultOf(web: string): string | undefined {
  if (!existsSync(join(web, 'dist', 'index.html'))) return 'the page is not built; run "npm run build:web"';
  const sources = Math.max(newest(join(web, 'src')), newest(web, false));
  return sources > newest(join(web, 'dist'))
    ? 'the page is older than its sources; run "npm run build:web"'
    : undefined;
}

/** The time of the newest file below a folder; 0 where there is none. */
function newest(folder: string, recursive = true): number {
  if (!existsSync(folder)) return 0;
  const entries = readdirSync(folder, { recursive, withFileTypes: true }).filter((e) => e.isFile());
  return Math.max(0, ...entries.map((e) => statSync(join(e.parentPath, e.name)).mtimeMs));
}
