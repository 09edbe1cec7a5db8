import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { cached, keyOf } from '../cluster/cache.ts';
import { progress } from '../cluster/prerequisite.ts';
import { run } from '../cluster/process.ts';
import { menuOf, type SiteVersions } from './config.ts';
import { repository } from './reference/page.ts';
import { stage } from './stage.ts';

/**
 * Builds the site of this version into `out/<version>`. Other versions that stand there stay, and each build lists all: whoever publishes
 * lays the folders of earlier releases beside first. `out/index.html` leads to the newest.
 * @returns the folder of the version
 */
export async function buildSite(out: string, staging: string): Promise<string> {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { version: string };
  const { pages } = stage(staging);
  const there = existsSync(out) ? readdirSync(out, { withFileTypes: true }) : [];
  const versions = [
    ...new Set([version, ...there.filter((entry) => entry.isDirectory()).map(({ name }) => name)]),
  ].sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  const settings: SiteVersions = { version, versions, menu: menuOf(pages) };
  mkdirSync(join(staging, '.vitepress'), { recursive: true });
  const config = relative(join(staging, '.vitepress'), join(repository, 'site/config.ts'));
  writeFileSync(
    join(staging, '.vitepress/config.ts'),
    `import { siteConfig } from '${config}';\nexport default siteConfig(${JSON.stringify(settings)});\n`,
  );
  const to = join(out, version);
  await run(process.execPath, [await vitepress(), 'build', staging, '--outDir', to], { timeoutMs: 300_000 });
  writeFileSync(
    join(out, 'index.html'),
    `<!doctype html><meta charset="utf-8"><link rel="icon" href="./${versions[0]}/icon.svg"><meta http-equiv="refresh" content="0; url=./${versions[0]}/"><a href="./${versions[0]}/">Softonit Licence</a>\n`,
  );
  return to;
}

/** VitePress, which only this needs: it is installed beside, of the versions that its own lock file pins, once for all checkouts. */
async function vitepress(): Promise<string> {
  const tool = join(repository, 'site/tool');
  const files = ['package.json', 'package-lock.json', '.npmrc'].map((file) => join(tool, file));
  const dir = await cached('vitepress', keyOf(...files.map((file) => readFileSync(file))), async (draft) => {
    progress('fetching VitePress');
    for (const file of files) cpSync(file, join(draft, file.slice(tool.length + 1)));
    await run('npm', ['ci', '--silent'], { cwd: draft });
  });
  return join(dir, 'node_modules/vitepress/bin/vitepress.js');
}
