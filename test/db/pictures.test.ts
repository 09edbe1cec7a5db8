import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { chromiumOrSkip, launchBrowser, openTab } from '../support/browser.ts';
import { startPageServer } from '../support/pageServer.ts';
import { repository } from '../support/sources.ts';

// No test: PICTURES=1 makes the page's picture of README and quick start, of the real page over a real server with two days of history.
const chromium = process.env.PICTURES === undefined ? undefined : await chromiumOrSkip();

it.skipIf(chromium === undefined)(
  'the picture of the page is made',
  async () => {
    await using server = await startPageServer();
    const { key } = await server.authority.issue({
      product: 'erp',
      seatLimit: 20,
      supportUntil: '2099-12-31T00:00:00Z',
    });
    expect(await server.call('admin', 'POST', '/v1/keys', { key })).toMatchObject({ status: 201 });
    const people = [
      'Anna Petrova',
      'Boris Orlov',
      'Vera Smirnova',
      'Gleb Ivanov',
      'Dina Belova',
      'Egor Sokolov',
      'Zoya Kuznetsova',
    ];
    for (const [i, user] of people.entries()) {
      const holder = { base: i % 3 === 0 ? 'Warehouse' : 'Accounting', user, host: `ws-${i + 1}`, session: '' };
      await server.call('client', 'POST', '/v1/checkouts', { product: 'erp', mode: 'leased', holder });
    }
    const sql = new pg.Client({ connectionString: server.databaseUrl });
    await sql.connect();
    const hourly = `SELECT n, greatest(0, round(9 * sin((extract(hour FROM now() - n * step) - 7) / 12 * pi())) + n % 3)::int AS used FROM generate_series(1, $1::int) n`;
    for (const [seconds, count] of [
      [60, 1_440],
      [3_600, 48],
    ]) {
      await sql.query(
        `WITH s AS (SELECT $2::int * interval '1 s' AS step), h AS (${hourly.replace('FROM generate', 'FROM s, generate')})
       INSERT INTO usage (product, step_seconds, at, seat_limit, peak, mean, samples, stale)
       SELECT 'erp', $2, date_bin(s.step, now(), '2000-01-01Z') - n * s.step, 20, used, used, 3, 0 FROM h, s ON CONFLICT DO NOTHING`,
        [count, seconds],
      );
    }
    await sql.end();
    const browser = await launchBrowser(chromium ?? '');
    try {
      const shots = [
        ['page', '', { viewport: { width: 1_100, height: 900 } }],
        ['seats', 'seats', { viewport: { width: 1_100, height: 760 } }],
        [
          'people',
          'seats?by=person',
          { viewport: { width: 1_100, height: 700 }, colorScheme: 'dark', locale: 'ru-RU' },
        ],
        ['phone', 'seats', { viewport: { width: 360, height: 1_400 }, isMobile: true, locale: 'ru-RU' }],
      ] as const;
      for (const [name, view, options] of shots) {
        const { page } = await openTab(browser, `${server.url}#token=${server.tokens.admin}`, {
          locale: 'en-GB',
          timezoneId: 'UTC',
          ...options,
        });
        await page.locator('main h1').waitFor();
        if (view !== '') await page.goto(`${server.url}#/${view}`);
        await page.waitForLoadState('networkidle');
        const picture = await page.screenshot();
        const folder = name === 'page' ? join(repository, 'docs/pictures') : (process.env.PICTURES ?? '');
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, `${name}.png`), picture);
      }
    } finally {
      await browser.close();
    }
  },
  180_000,
);
