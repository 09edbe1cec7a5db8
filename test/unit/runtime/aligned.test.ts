import { expect, it } from 'vitest';
import { aligned } from '../../../runtime/aligned.ts';
import { readSources } from '../../support/sources.ts';

it('puts columns side by side, and ends no line in a space', () => {
  expect(
    aligned([
      ['NAME', 'SEATS'],
      ['head-office', '5'],
      ['b', ''],
    ]),
  ).toBe('NAME          SEATS\nhead-office   5\nb');
});

it('is the one way of tables, and so is that of moments', () => {
  const twice = readSources(['cli', 'operator', 'licence', 'runtime']).filter(
    ({ path, text }) =>
      (/function aligned\(/.test(text) && path !== 'runtime/aligned.ts') ||
      (/new Date\(\)\.toISOString\(\)\.replace\(/.test(text) && path.startsWith('cli/')),
  );
  expect(twice.map(({ path }) => path)).toEqual([]);
});
