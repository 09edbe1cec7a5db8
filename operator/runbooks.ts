import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Http } from '../runtime/httpShell.ts';
import { runbookPage, runbookPolicy } from './runbookPage.ts';

const folder = fileURLToPath(new URL('../docs/runbooks/', import.meta.url));

/**
 * Serves the runbooks that alerts link to at `/runbooks/ALERT.md`: a page for a browser, the text as it is for everybody else, such
 * as curl. So a release without a published place for them has one that opens. Read once: they are part of the program.
 */
export function serveRunbooks(http: Http): void {
  const pages = new Map(
    readdirSync(folder)
      .filter((file) => file.endsWith('.md'))
      .map((file) => [file, readFileSync(`${folder}${file}`, 'utf8')]),
  );
  for (const [file, text] of pages) {
    http.get(`/runbooks/${file}`, async ({ headers }, reply) => {
      reply.header('vary', 'accept');
      if (!/\btext\/html\b/.test(headers.accept ?? '')) return reply.type('text/plain; charset=utf-8').send(text);
      reply.header('content-security-policy', runbookPolicy);
      return reply.type('text/html; charset=utf-8').send(runbookPage(file.replace('.md', ''), text));
    });
  }
}
