import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createProgram } from '../../../cli/kubectl/program.ts';
import { settingsPage } from '../../../docs/settings.ts';
import { readSources, repository } from '../../support/sources.ts';

const pages = [
  ...readdirSync(repository).filter((file) => file.endsWith('.md')),
  ...readdirSync(join(repository, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => join('docs', file)),
].sort();
const read = (page: string) => readFileSync(join(repository, page), 'utf8');
const prose = (text: string) => text.replaceAll(/```[\s\S]*?```/g, '');

/** The anchors that a page's headings get. */
const anchorsOf = (text: string): string[] =>
  [...prose(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s-]/gu, '')
      .replaceAll(/\s/g, '-'),
  );

const deadLinks = (page: string, text: string): string[] =>
  [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : relative(repository, join(repository, dirname(page), path));
    if (!existsSync(join(repository, target))) return [link];
    return anchor !== undefined && !anchorsOf(read(target)).includes(anchor) ? [link] : [];
  });

describe('the documentation', () => {
  it.each(pages)('%s links only to what is there', (page) => {
    expect(deadLinks(page, read(page))).toEqual([]);
  });

  it.each(pages.filter((page) => page.startsWith('docs/runbooks/')))(
    '%s names the command before what does the same by hand',
    (page) => {
      for (const section of read(page).split(/^## /m)) {
        const byHand = section.search(/\bcurl -|\bannotate\b/);
        const command = section.search(/kubectl licence /);
        if (byHand >= 0) expect(command >= 0 && command < byHand, section).toBe(true);
      }
    },
  );

  it('has no way past this test', () => {
    expect(
      deadLinks('README.md', '[a](docs/none.md) [b](docs/install.md#none) [c](docs/install.md#upgrade-remove)'),
    ).toEqual(['docs/none.md', 'docs/install.md#none']);
  });

  it.each(pages)('%s speaks only of commands that exist', (page) => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(read('package.json'));
    const asked = [...read(page).matchAll(/\bnpm run (?:--silent )?([a-z:]+)/g)].map(([, script = '']) => script);
    expect(asked.filter((script) => !(script in scripts))).toEqual([]);
    const commands = createProgram().commands.map((command) => command.name());
    const named = [...read(page).matchAll(/\bkubectl licence ([a-z-]+)/g)].map(([, command = '']) => command);
    expect(named.filter((command) => !commands.includes(command))).toEqual([]);
  });

  it('says in docs/settings.md what the programs say of themselves', () => {
    expect(read('docs/settings.md')).toBe(settingsPage());
  }, 120_000);

  it.each(pages)('%s names only settings that exist', (page) => {
    const known = [
      read('docs/settings.md'),
      ...readSources(['authority', 'cluster', 'cli', 'demo', 'operator', 'server', 'test']).map((s) => s.text),
    ].join('\n');
    const named = read(page).match(/\b(?:LICENCE|OPERATOR|AUTHORITY)_[A-Z_]+[A-Z]\b/g) ?? [];
    expect(named.filter((name) => !new RegExp(`\\b${name}\\b`).test(known))).toEqual([]);
  });

  it.each(pages)('%s quotes 1C code only as it is shipped', (page) => {
    const shipped = readdirSync(join(repository, 'client/1c'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.bsl'))
      .map((file) => read(join('client/1c', file)));
    const quotes = [...read(page).matchAll(/```bsl\n([\s\S]*?)```/g)].map(([, code = '']) => code);
    expect(quotes.filter((code) => !shipped.some((text) => text.includes(code)))).toEqual([]);
  });

  it('names only metrics that the programs have', () => {
    const sources = readSources(['server', 'operator', 'authority'])
      .map((source) => source.text)
      .join('\n');
    const named = read('docs/monitoring.md').match(/`((?:licence|leader|controller|rest_client)_[a-z_]+[a-z])/g) ?? [];
    const names = named.map((name) => name.slice(1));
    expect(names.length).toBeGreaterThan(15);
    expect(names.filter((name) => !sources.includes(`'${name}'`))).toEqual([]);
  });
});
