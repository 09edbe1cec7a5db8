import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Http } from '../runtime/httpShell.ts';
import { servePage } from '../runtime/page.ts';

const ownFolder = fileURLToPath(new URL('../web', import.meta.url));

/**
 * Serves the administrators' page.
 * @param web folder with `dist`, and in a checkout with the sources
 */
export const registerPage = (http: Http, web = ownFolder): void =>
  servePage(http, { folder: web, sources: [join(web, 'src'), join(web, 'shared')], role: 'public' });
