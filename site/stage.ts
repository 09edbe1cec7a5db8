import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { commandsPage } from './reference/commands.ts';
import { fieldsPage } from './reference/fields.ts';
import { httpPage } from './reference/http.ts';
import { metricsPage } from './reference/metrics.ts';
import { repository } from './reference/page.ts';
import { reasonsPage } from './reference/reasons.ts';

/** Pages that are made of what the programs say of themselves. */
const made: Readonly<Record<string, () => string>> = {
  'reference/fields.md': fieldsPage,
  'reference/http-server.md': () => httpPage('server'),
  'reference/http-authority.md': () => httpPage('authority'),
  'reference/metrics.md': metricsPage,
  'reference/commands.md': commandsPage,
  'reference/reasons.md': reasonsPage,
};

const titleOf = (text: string): string => /^# (.+)$/m.exec(text)?.[1] ?? '';

/** A page that lists a folder which has none of its own. */
function runbooksPage(): string {
  const folder = join(repository, 'docs/runbooks');
  const rows = readdirSync(folder)
    .sort()
    .map((file) => `- [${titleOf(readFileSync(join(folder, file), 'utf8'))}](${file})`);
  return `# Runbooks\nWhat to do, by alert.\n\n${rows.join('\n')}\n`;
}

/** Every page of the site: path → text. The repository's own stand where they stand in it; README is the first. */
export function pagesOf(): Map<string, string> {
  const own = readdirSync(join(repository, 'docs'), { recursive: true, encoding: 'utf8' })
    .map((file) => join('docs', file))
    .filter((file) => file.endsWith('.md'))
    .concat('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md');
  const pages = new Map(own.map((file) => [file, readFileSync(join(repository, file), 'utf8')]));
  for (const [path, page] of Object.entries(made)) pages.set(path, page());
  pages.set('docs/runbooks/README.md', runbooksPage());
  return pages;
}

/** Where a page of the repository is on the site: a folder's README is its index. */
const placeOf = (page: string): string => page.replace(/(^|\/)README\.md$/, '$1index.md');

export interface Staged {
  /** Path on the site → text, its links as the site needs them. */
  readonly pages: ReadonlyMap<string, string>;
  /** Files that pages link to; they are beside the pages, by their path in the repository. */
  readonly files: ReadonlySet<string>;
  /** Links that lead nowhere. */
  readonly dead: readonly string[];
}

/**
 * The pages with their links turned to what the site has: to other pages, to files that are laid beside them, and of what is neither
 * (a folder of sources) only the words.
 */
export function stagePages(sources: ReadonlyMap<string, string> = pagesOf()): Staged {
  const pages = new Map<string, string>();
  const files = new Set<string>();
  const dead: string[] = [];
  for (const [page, text] of sources) {
    const turned = outsideCode(text, (prose) =>
      prose.replaceAll(/(!?)\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)/g, (whole, picture, words, link) => {
        if (/^[a-z]+:|^#/.test(link)) return whole;
        const [path = '', anchor] = link.split('#') as [string, string?];
        const target = normalize(join(dirname(page), path)).replace(/\/$/, '');
        const asPage = [target, `${target}/README.md`].find((candidate) => sources.has(candidate));
        if (asPage !== undefined) {
          const href = relative(dirname(placeOf(page)), placeOf(asPage));
          return `[${words}](${href.startsWith('.') ? href : `./${href}`}${anchor === undefined ? '' : `#${anchor}`})`;
        }
        const found = statSync(join(repository, target), { throwIfNoEntry: false });
        if (found === undefined) dead.push(`${page}: ${link}`);
        if (picture === '!') return whole;
        if (!found?.isFile()) return words;
        files.add(target);
        return `[${words}](/files/${target}.txt)`;
      }),
    );
    pages.set(placeOf(page), turned);
  }
  return { pages, files, dead };
}

/** Changes a text of Markdown where it is no code. */
function outsideCode(text: string, change: (prose: string) => string): string {
  return text
    .split(/(^```[\s\S]*?^```$|`[^`\n]+`)/m)
    .map((part, at) => (at % 2 === 1 ? part : change(part)))
    .join('');
}

/** Writes all that VitePress needs into a folder. @throws naming the links that lead nowhere */
export function stage(folder: string): Staged {
  const staged = stagePages();
  if (staged.dead.length > 0) throw new Error(`links that lead nowhere:\n${staged.dead.join('\n')}`);
  rmSync(folder, { recursive: true, force: true });
  const put = (path: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    return join(folder, path);
  };
  for (const [path, text] of staged.pages) writeFileSync(put(path), text);
  for (const file of staged.files) cpSync(join(repository, file), put(`public/files/${file}.txt`));
  cpSync(join(repository, 'web/shared/icon.svg'), put('public/icon.svg'));
  const pictures = join(repository, 'docs/pictures');
  if (existsSync(pictures)) cpSync(pictures, put('docs/pictures'), { recursive: true });
  return staged;
}
