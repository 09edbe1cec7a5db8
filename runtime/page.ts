import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import helmet from '@fastify/helmet';
import files from '@fastify/static';
import type { Http } from './http.ts';
import { ProblemError } from './problem.ts';

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

/** A page that was built before: a folder with `dist`, and in a checkout with its sources. */
export interface Page {
  readonly folder: string;
  /** Folders of sources that `dist` is made of. */
  readonly sources: readonly string[];
  /** The role of whoever may have it. */
  readonly role: string;
}

/**
 * Serves a page at `/` and its files below `/assets/`, to anybody: it holds no data, and what it shows it asks
 * for with the person's token. `/` is checked for news on each visit; the files' names change with their content, so they are kept.
 * It is built before (`npm run build:web`): a visitor starts nothing.
 */
export function servePage(http: Http, { folder, sources, role }: Page): void {
  const fault = faultOf(folder, sources);
  if (fault !== undefined) http.log.warn(fault);
  http.register(async (page) => {
    await page.register(helmet, {
      contentSecurityPolicy,
      // The three below are for HTTPS: whoever ends TLS decides, and over plain HTTP browsers only complain about them.
      strictTransportSecurity: false,
      crossOriginOpenerPolicy: false,
      originAgentCluster: false,
    });
    await page.register(files, {
      root: join(folder, 'dist'),
      serve: false,
      preCompressed: true,
      suppressWarning: true,
    });
    const config = { role };
    page.get('/', { config, schema: { hide: true } }, (_request, reply) => {
      if (!existsSync(join(folder, 'dist', 'index.html'))) {
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
function faultOf(folder: string, sources: readonly string[]): string | undefined {
  if (!existsSync(join(folder, 'dist', 'index.html'))) return 'the page is not built; run "npm run build:web"';
  const edited = Math.max(newest(folder, false), ...sources.map((source) => newest(source)));
  return edited > newest(join(folder, 'dist'))
    ? 'the page is older than its sources; run "npm run build:web"'
    : undefined;
}

/** The time of the newest file below a folder; 0 where there is none. */
function newest(folder: string, recursive = true): number {
  if (!existsSync(folder)) return 0;
  const entries = readdirSync(folder, { recursive, withFileTypes: true }).filter((e) => e.isFile());
  return Math.max(0, ...entries.map((e) => statSync(join(e.parentPath, e.name)).mtimeMs));
}
