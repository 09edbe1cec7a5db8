import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Http } from '../runtime/httpShell.ts';

const folder = fileURLToPath(new URL('../docs/runbooks/', import.meta.url));

/**
 * Serves the runbooks that alerts link to, each as the text of its page, at `/runbooks/ALERT.md`; a release without a published
 * place for them has one that opens. Read once: they are part of the program.
 */
export function serveRunbooks(http: Http): void {
  const pages = new Map(
    readdirSync(folder)
      .filter((file) => file.endsWith('.md'))
      .map((file) => [file, readFileSync(`${folder}${file}`, 'utf8')]),
  );
  for (const [file, text] of pages) {
    http.get(`/runbooks/${file}`, async (_, reply) => reply.type('text/plain; charset=utf-8').send(text));
  }
}
