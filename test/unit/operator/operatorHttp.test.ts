import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { Unheard } from '../../../operator/kube/namespaceWatch.ts';
import { usualRunbooks } from '../../../operator/licenceServer/build/alerts.ts';
import { operatorHttp } from '../../../operator/operatorHttp.ts';
import { runbookPage } from '../../../operator/runbookPage.ts';
import { createHttp, type Http } from '../../../runtime/httpShell.ts';
import { createLog } from '../../../runtime/log.ts';
import { createMetrics } from '../../../runtime/metrics.ts';
import { repository } from '../../support/sources.ts';

let http: Http | undefined;
afterEach(() => http?.close());

interface Seen {
  /** Seconds since each watch heard anything, by kind. */
  readonly ages: Record<string, number>;
  readonly settled?: boolean;
  readonly unheard?: readonly { namespace: string; kind: string }[];
}

async function get(path: string, { ages, settled = true, unheard = [] }: Seen, accept = '*/*') {
  const metrics = createMetrics();
  const gauge = metrics.gauge('things', 'Counted at a scrape');
  const silences = Object.values(ages);
  http = operatorHttp(createHttp(createLog('test', 'silent')), {
    metrics,
    watch: {
      eventAges: () => ages,
      silentSeconds: silences.length === 0 ? undefined : Math.min(...silences),
      settled,
      unheard: () => unheard as readonly Unheard[],
    },
    refresh: () => gauge.set(7),
    forget: () => gauge.reset(),
  });
  const { statusCode, body } = await http.inject({ url: path, headers: { accept } });
  return { statusCode, body: body.startsWith('{') ? JSON.parse(body) : body };
}

it('is alive while anything is heard within ten minutes, and names what is not', async () => {
  const ages = { LicenceServer: 599, Secret: 601 };
  expect(await get('/healthz/live', { ages })).toEqual({ statusCode: 200, body: { silent: { Secret: 601 } } });
});

it('is not alive when nothing at all has been heard for longer', async () => {
  const ages = { LicenceServer: 602, Secret: 601 };
  expect(await get('/healthz/live', { ages })).toEqual({ statusCode: 503, body: { silent: ages } });
});

it.each([
  [true, 200],
  [false, 503],
])('is ready when all is listed or known not to let itself be (%s)', async (settled, status) => {
  const unheard = [
    { namespace: 'sales', kind: 'Secret' },
    { namespace: '', kind: 'Namespace' },
  ];
  expect(await get('/healthz/ready', { ages: {}, settled, unheard })).toEqual({
    statusCode: status,
    body: { settled, unheard: ['sales/Secret', 'Namespace'] },
  });
});

it('brings gauges up to date before they are read', async () => {
  expect((await get('/metrics', { ages: {} })).body).toContain('things 7');
});

it('serves the runbook that an alert links to', async () => {
  const path = new URL(`${usualRunbooks}/LicenceServerDown.md`).pathname;
  const { statusCode, body } = await get(path, { ages: {} });
  expect([statusCode, body.slice(0, 20)]).toEqual([200, '# LicenceServerDown\n']);
  expect((await get('/runbooks/None.md', { ages: {} })).statusCode).toBe(404);
});

it('shows it to a browser as a page: no mark of Markdown is left, and nothing in it is taken for HTML', async () => {
  const { body } = await get('/runbooks/LicenceSeatsExhausted.md', { ages: {} }, 'text/html,*/*;q=0.8');
  expect(body).toContain('<h1>LicenceSeatsExhausted</h1>');
  expect(body).toContain('<a href="LicenceStaleSeatsBlocking.md">LicenceStaleSeatsBlocking</a>');
  expect(body).toContain(
    '<pre tabindex="0"><code>kubectl licence seats NAME -n NAMESPACE --product PRODUCT</code></pre>',
  );
  expect(body).toContain('svc/NAME 8080 &gt;/dev/null &amp; sleep 1');
});

const folder = join(repository, 'docs/runbooks');
it.each(readdirSync(folder))('%s as a page says every word of its text', (file) => {
  const text = readFileSync(join(folder, file), 'utf8');
  const [, main = ''] = /<main>([\s\S]*)<\/main>/.exec(runbookPage(file, text)) ?? [];
  const outsideCode = main.replaceAll(/<code>[\s\S]*?<\/code>/g, '');
  expect(outsideCode).not.toMatch(/`|\]\(|^\||^#|^\d+\. |^- /m);
  const said = (html: string) =>
    html
      .replaceAll(/<[^>]+>/g, ' ')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>');
  const words = (of: string) => of.match(/[\p{L}\p{N}]+/gu) ?? [];
  const shown = words(said(main).replaceAll('&quot;', '"').replaceAll('&amp;', '&'));
  const written = words(
    text
      .replaceAll(/^```sh$/gm, '')
      .replaceAll(/^\d+\. /gm, '')
      .replaceAll(/\]\([^)\s]*\)/g, ']'),
  );
  expect(shown).toEqual(written);
});
