import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { repository } from '../../support/sources.ts';

const samples = join(repository, 'docs/clients');
const page = readFileSync(join(repository, 'docs/client.md'), 'utf8');

/** What of a sample the page shows, without the indentation that it has there. */
function shown(text: string): string | undefined {
  const part = /^[ \t]*(?:\/\/|#) In docs\/client\.md\n([\s\S]*?)\n*^[ \t]*(?:\/\/|#) end$/m.exec(text)?.[1];
  const indents = part?.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.search(/\S/)]));
  return indents && part?.replaceAll(new RegExp(`^ {${Math.min(...indents)}}`, 'gm'), '');
}

const programs = readdirSync(samples, { recursive: true, encoding: 'utf8' })
  .filter((file) => /(sample|Sample|main)\.[a-z]+$/.test(file))
  .sort();

it('every language has a program', () => {
  expect(programs.map((file) => file.split('/')[0])).toEqual(['go', 'java', 'python', 'rust', 'typescript']);
});

it.each(programs)('the page shows %s as it is run', (file) => {
  const part = shown(readFileSync(join(samples, file), 'utf8'));
  expect(part?.split('\n').length).toBeGreaterThan(8);
  expect(page).toContain(
    `(clients/${file}):\n\n\`\`\`${file.replace(/.*\./, '').replace('py', 'python').replace('rs', 'rust')}\n${part}\n\`\`\`\n`,
  );
});
