import { describe, expect, it } from 'vitest';
import { type MenuItem, menuOf } from '../../../site/config.ts';
import { documentedVersions, httpPage } from '../../../site/reference/http.ts';
import { declaredMetrics } from '../../../site/reference/metrics.ts';
import { spokenReasons } from '../../../site/reference/reasons.ts';
import { pagesOf, stagePages } from '../../../site/stage.ts';
import { readSources } from '../../support/sources.ts';

const sources = pagesOf();
const { pages, files, dead } = stagePages(sources);
const linked = (items: readonly MenuItem[]): string[] =>
  items.flatMap(({ link, items: below }) => [...(link === undefined ? [] : [link.slice(1)]), ...linked(below ?? [])]);

describe('the pages of the site', () => {
  it('have no link that leads nowhere', () => {
    expect(dead).toEqual([]);
    const left = new Map([
      ...sources,
      ['docs/x.md', '[a](none.md) [b](install.md) ![c](pictures/none.png) `[d](none.md)`'],
    ]);
    expect(stagePages(left).dead).toEqual(['docs/x.md: none.md', 'docs/x.md: pictures/none.png']);
  });

  it('lead to each other where they stand on the site, to files beside them, and to no folder of sources', () => {
    const one = (text: string) => stagePages(new Map([...sources, ['docs/x.md', text]])).pages.get('docs/x.md');
    expect(one('[a](install.md#tokens) [b](../README.md) [c](adr/)')).toBe(
      '[a](./install.md#tokens) [b](../index.md) [c](./adr/index.md)',
    );
    expect(one('[a](../packaging/licence-server.service) [b](../operator/)')).toBe(
      '[a](/files/packaging/licence-server.service.txt) b',
    );
    expect([...files].length).toBeGreaterThan(0);
  });

  it('all have their place in the menu, but for single runbooks and decisions; those that nobody placed stand under More', () => {
    const menu = linked(menuOf(pages));
    expect(menu.filter((page) => !pages.has(`${page}.md`))).toEqual([]);
    const ofList = /^docs\/(runbooks|adr)\/(?!index)/;
    const missing = [...pages.keys()].filter((page) => !ofList.test(page) && !menu.includes(page.replace(/\.md$/, '')));
    expect(missing).toEqual([]);
    const more = menuOf(new Map([...pages, ['docs/new.md', '# Something new']])).at(-1);
    expect(more?.text).toBe('More');
    expect(more?.items).toContainEqual({ text: 'Something new', link: '/docs/new' });
  });
});

describe('the references', () => {
  it('have every metric that a program declares', () => {
    const names = new Set(declaredMetrics().map(({ name }) => name));
    const sources = readSources(['server', 'operator', 'authority'])
      .map(({ text }) => text)
      .join('\n');
    const declared = [...sources.matchAll(/\.(?:gauge|counter|histogram)\(\s*'([a-z_]+)'/g)].map(
      ([, name = '']) => name,
    );
    expect(declared.filter((name) => !names.has(name))).toEqual([]);
    expect(names.size).toBeGreaterThan(40);
  });

  it('have every operation of the newest OpenAPI documents', () => {
    expect(documentedVersions().length).toBeGreaterThan(0);
    for (const path of ['/v1/checkouts', '/v1/leases', '/v1/people'])
      expect(httpPage('server')).toContain(` ${path}\``);
    expect(httpPage('authority')).toContain('/v1/activations`');
  });

  it('have the words of conditions', () => {
    const words = spokenReasons();
    for (const word of ['NameTaken', 'RolloutHeld', 'SecretMissing']) {
      expect(
        words.some((known) => known.endsWith(word)),
        word,
      ).toBe(true);
    }
  });
});
