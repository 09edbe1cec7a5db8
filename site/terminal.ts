import { text } from 'node:stream/consumers';

// The picture of a terminal, of what commands really said:
//   (echo '$ kubectl licence list -A'; kubectl licence list -A) | node site/terminal.ts > docs/pictures/terminal.svg

const line = 19;
const letter = 7.85;
const inset = 18;
const escaped = (of: string) => of.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
/** What a terminal would show in colour: prompts, good news, what to do. */
const classOf = (row: string): string =>
  row.startsWith('$ ')
    ? 'c'
    : / is well$/.test(row)
      ? 'g'
      : row.startsWith('→')
        ? 'y'
        : /\b(FAIL|look)\b/.test(row)
          ? 'y'
          : 't';

/** An SVG of some lines, readable on light and dark pages. Pure. */
export function terminalPicture(said: string): string {
  const rows = said.trimEnd().split('\n');
  const width = Math.ceil(Math.max(...rows.map((row) => row.length)) * letter + 2 * inset);
  const height = rows.length * line + 2 * inset;
  const texts = rows.map(
    (row, at) =>
      `<text class="${classOf(row)}" x="${inset}" y="${inset + 14 + at * line}" xml:space="preserve">${escaped(row)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"><title>What commands say in a terminal</title>
<style>text{font:13px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d7dee8}.c{fill:#fff;font-weight:bold}.g{fill:#74d394}.y{fill:#f2b95c}</style>
<rect width="100%" height="100%" rx="10" fill="#12161c"/>
${texts.join('\n')}
</svg>
`;
}

if (import.meta.main) process.stdout.write(terminalPicture(await text(process.stdin)));
