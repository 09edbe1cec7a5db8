import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** The table of FlexNet's and RLM's option words says of each what it is here, and which test shows it. */
const root = new URL('../../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const table = read('docs/seat-rules.md').split('## Coming from FlexNet or RLM')[1] ?? '';
const rows = table
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| Option word'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, words = '', here = '', shownBy = '']) => ({ words, here, shownBy }));

const words =
  'RESERVE INCLUDE EXCLUDE MAX MAX_OVERDRAFT OVERDRAFT DUP_GROUP BORROW BORROW_LOWWATER LINGER TIMEOUT GROUP HOST_GROUP PRIORITY';

it.each(words.split(' '))('%s has a line in the table', (word) => {
  expect(rows.filter((row) => row.words.includes(`\`${word}\``))).toHaveLength(1);
});

it('what is offered is shown by tests that exist, by the first words of their names', () => {
  const missing = rows.flatMap(({ words, here, shownBy }) => {
    const links = [...shownBy.matchAll(/\[([^\]]+)\]\(\.\.\/([^)]+)\)/g)];
    if (links.length === 0) return here.startsWith('not offered') ? [] : [`${words}: no test is named`];
    return links
      .filter(([, name, path = '']) => !read(path).includes(`\nit('${name}`))
      .map(([, name, path]) => `${words}: no test of ${path} begins with "${name}"`);
  });
  expect(missing).toEqual([]);
});
