import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../cluster/process.ts';
import { chromiumOrSkip, launchBrowser, openTab } from '../support/browser.ts';
import { repository } from '../support/sources.ts';

const chromium = await chromiumOrSkip();
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

describe('the documentation as a site', () => {
  let dir: string;
  let out: string;
  let server: Server;
  let url: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'site-'));
    mkdirSync(join(dir, 'site', '0.0.9'), { recursive: true });
    const script = `const { buildSite } = await import('./site/build.ts'); console.log(await buildSite(process.argv[1], process.argv[2]));`;
    // the pages are laid inside of the repository: that is where their builder finds itself
    const staging = mkdtempSync(join(repository, 'dist-site-pages.'));
    try {
      const said = await run(process.execPath, ['-e', script, '--input-type=module', join(dir, 'site'), staging], {
        cwd: repository,
      });
      out = said.trim().split('\n').at(-1) ?? '';
    } finally {
      rmSync(staging, { recursive: true, force: true });
    }
    server = createServer((request, response) => {
      const path = join(dir, 'site', decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname));
      try {
        const body = readFileSync(path.endsWith('/') ? join(path, 'index.html') : path);
        response.setHeader('content-type', types[extname(path)] ?? 'text/html; charset=utf-8');
        response.end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
  }, 180_000);
  afterAll(async () => {
    await new Promise((resolve) => server?.close(resolve));
    rmSync(dir, { recursive: true, force: true });
  });

  it('has every page, and each of its own links leads to one', () => {
    const html = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'));
    expect(html.length).toBeGreaterThan(45);
    const version = out.split('/').at(-1);
    const there = new Set(readdirSync(out, { recursive: true, encoding: 'utf8' }));
    const dead = html.flatMap((file) =>
      [...readFileSync(join(out, file), 'utf8').matchAll(/href="\/([^"#?]*)/g)].flatMap(([, href = '']) => {
        const path = href.replace(`${version}/`, '');
        return path === '' || there.has(path) ? [] : [`${file}: ${href}`];
      }),
    );
    expect(dead).toEqual([]);
    for (const file of ['reference/fields.html', 'reference/commands.html', 'docs/runbooks/LicenceStaleSeats.html']) {
      expect(html).toContain(file);
    }
    expect(readFileSync(join(out, 'reference/fields.html'), 'utf8')).toContain('spec.activation.authority.url');
    expect(readFileSync(join(out, '..', 'index.html'), 'utf8')).toContain(`./${version}/`);
    expect(readFileSync(join(out, 'index.html'), 'utf8')).toContain('0.0.9');
  });

  it.skipIf(chromium === undefined)('is found by search, in both languages, and asks no other server', async () => {
    const browser = await launchBrowser(chromium ?? '');
    try {
      const { page, complaints } = await openTab(browser, url, { locale: 'en-GB' });
      await page.waitForURL(/\/\d+\.\d+\.\d+\//);
      for (const [words, title] of [
        ['reclaimPolicy', /Fields|Install/],
        ['зависшие места', /Администратору|Быстрый/],
      ] as const) {
        await page.keyboard.press('Control+k');
        await page.locator('input[type=search]').fill(words);
        await page.locator('.result').filter({ hasText: title }).first().waitFor();
        await page.keyboard.press('Escape');
      }
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});
