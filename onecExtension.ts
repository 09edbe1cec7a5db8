import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { extensionXml } from './client/1c/xml.ts';

// The extension for 1C:Enterprise as Designer and ibcmd load it: the XML made from client/1c/model.ts, and the modules beside it.

const root = fileURLToPath(new URL('.', import.meta.url));
const sources = join(root, 'client/1c');

/** Makes `out` the extension's folder: the sources in `extension/`, and what to do with them. What was there before is removed. */
export function buildOnecExtension(out: string): void {
  rmSync(out, { recursive: true, force: true });
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const write = (path: string, text: string) => {
    const file = join(out, 'extension', path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  };
  for (const [path, text] of extensionXml(version)) write(path, text);
  for (const entry of readdirSync(sources, { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.bsl')) continue;
    const file = join(entry.parentPath, entry.name);
    // as Designer dumps it: with a byte order mark and CRLF
    write(relative(sources, file), `\uFEFF${readFileSync(file, 'utf8').replaceAll('\n', '\r\n')}`);
  }
  cpSync(join(root, 'LICENSE'), join(out, 'LICENSE'));
  const page = readFileSync(join(root, 'docs/ru/1c.md'), 'utf8');
  writeFileSync(join(out, 'README.md'), page.replaceAll(/\[([^\]]+)\]\((?!https?:|#)[^)]+\)/g, '$1')); // the other pages are not in it
}
