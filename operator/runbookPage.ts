import { createHash } from 'node:crypto';

// A runbook as a page for a browser. Of Markdown only what the runbooks use: headings, paragraphs, numbered and other lists, tables,
// blocks of commands, and in a line code and links.

const style = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:48rem;margin:0 auto;padding:1rem}
pre,code{font:14px/1.4 ui-monospace,monospace;background:color-mix(in srgb,currentColor 9%,transparent);border-radius:4px}
pre{padding:.75rem;overflow-x:auto}code{padding:.1em .3em;overflow-wrap:anywhere}pre code{padding:0;background:none;overflow-wrap:normal}
table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border:1px solid color-mix(in srgb,currentColor 25%,transparent)}
td code{overflow-wrap:normal}.wide{overflow-x:auto}h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.2rem}`;

/** What a browser may do with the page: show it. */
export const runbookPolicy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

export const runbookPage = (title: string, markdown: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
${blocksOf(markdown).map(htmlOf).join('\n')}
</main>
</body>
</html>
`;

/** Lines that belong together: a block of commands whole, everything else up to an empty line or a heading. */
function blocksOf(markdown: string): string[][] {
  const blocks: string[][] = [[]];
  let isCode = false;
  for (const line of markdown.split('\n')) {
    const isFence = line.startsWith('```');
    if (!isCode && (line.trim() === '' || line.startsWith('#') || isFence)) blocks.push([]);
    if (isFence) isCode = !isCode;
    blocks.at(-1)?.push(line);
    if (!isCode && (line.startsWith('#') || isFence)) blocks.push([]);
  }
  return blocks.map((block) => (block[0] === '' ? block.slice(1) : block)).filter((block) => block.length > 0);
}

function htmlOf(block: readonly string[]): string {
  const [first = ''] = block;
  const [, marks, heading = ''] = /^(#+) (.*)$/.exec(first) ?? [];
  if (marks !== undefined) return `<h${marks.length}>${inLine(heading)}</h${marks.length}>`;
  if (first.startsWith('```')) return `<pre tabindex="0"><code>${escaped(block.slice(1, -1).join('\n'))}</code></pre>`;
  if (first.startsWith('|')) return tableOf(block);
  const isItem = (line: string) => /^(\d+\.|-) /.test(line);
  const at = block.findIndex(isItem);
  if (at === 0) return listOf(block);
  if (at > 0) return `<p>${inLine(block.slice(0, at).join('\n'))}</p>\n${listOf(block.slice(at))}`;
  return `<p>${inLine(block.join('\n'))}</p>`;
}

function listOf(lines: readonly string[]): string {
  const list = /^\d/.test(lines[0] ?? '') ? 'ol' : 'ul';
  const items: string[] = [];
  for (const line of lines) {
    const [, text] = /^(?:\d+\.|-) (.*)$/.exec(line) ?? [];
    if (text === undefined) items.push(`${items.pop() ?? ''}\n${line.trim()}`);
    else items.push(text);
  }
  return `<${list}>\n${items.map((item) => `<li>${inLine(item)}</li>`).join('\n')}\n</${list}>`;
}

function tableOf(rows: readonly string[]): string {
  const cellsOf = (row: string) => row.replace(/^\||\|\s*$/g, '').split(/(?<!\\)\|/);
  const rowOf = (row: string, cell: 'th' | 'td') =>
    `<tr>${cellsOf(row)
      .map((text) => `<${cell}>${inLine(text.trim().replaceAll('\\|', '|'))}</${cell}>`)
      .join('')}</tr>`;
  const [head = '', , ...body] = rows;
  const lines = body.map((row) => rowOf(row, 'td')).join('\n');
  return `<div class="wide" tabindex="0"><table>\n<thead>${rowOf(head, 'th')}</thead>\n<tbody>\n${lines}\n</tbody>\n</table></div>`;
}

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (mark) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[mark] ?? mark);

/** Code goes first, since nothing in it means anything else. What is not served here is told without a link. */
function inLine(text: string): string {
  return text
    .split(/(`[^`]+`)/)
    .map((part) =>
      part.startsWith('`') && part.length > 1 ? `<code>${escaped(part.slice(1, -1))}</code>` : escaped(part),
    )
    .join('')
    .replaceAll(/\[([^\]]*)\]\(([^)\s]*)\)/g, (_, words: string, target: string) =>
      /^\w+\.md$|^https:/.test(target) ? `<a href="${target}">${words}</a>` : words,
    );
}
