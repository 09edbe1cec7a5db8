import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { aboutCondition, aboutKey } from '../../cli/kubectl/whatToDo.ts';
import { type KeyFaultReason, keyFaultReasons } from '../../licence/keyFaults.ts';
import { denialReasons } from '../../licence/words.ts';
import { en } from '../../web/src/text/en.ts';
import { cell, repository } from './page.ts';

const named = { namespace: 'NAMESPACE', name: 'NAME' };
const sentence = (key: string): string => {
  const text = (en as Readonly<Record<string, unknown>>)[key];
  return typeof text === 'string' ? cell(text) : '';
};

/** Words of conditions and Events, found where the operator says them: `reason: 'Word'`. */
export function spokenReasons(): string[] {
  const rooms = join(repository, 'operator/licenceServer');
  const texts = readdirSync(rooms, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(rooms, file), 'utf8'));
  const words = texts.flatMap((text) =>
    [...text.matchAll(/\breason: '([A-Z][A-Za-z]+)'/g)].map(([, word = '']) => word),
  );
  return [...new Set(words)].filter((word) => !(keyFaultReasons as readonly string[]).includes(word)).sort();
}

/** Every reason that is given somewhere, and what to do about it. */
export function reasonsPage(): string {
  const keyRow = (reason: KeyFaultReason) =>
    `| \`${reason}\` | ${sentence(`fault.${reason}`)} | ${cell(aboutKey[reason](named))} |`;
  const conditionRow = (reason: string) => `| \`${reason}\` | ${cell(aboutCondition(reason, named) ?? '')} |`;
  return `# Reasons
Words that conditions, Events, problem documents and \`kubectl licence\` have in common.

## Of a key or an activation
| Reason | Means | What to do |
|---|---|---|
${keyFaultReasons.map(keyRow).join('\n')}

## Of a refused check-out
| Reason | Means |
|---|---|
${denialReasons.map((reason) => `| \`${reason}\` | ${sentence(`denial.${reason}`)} |`).join('\n')}

## Of conditions and Events
Where nothing stands beside one, its message says all there is.

| Reason | What to do |
|---|---|
${spokenReasons().map(conditionRow).join('\n')}
`;
}
