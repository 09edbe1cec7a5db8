import { expect, test } from 'vitest';
import {
  decideReactivation,
  type ReactivationInput,
} from '../../../../../operator/licenceServer/decide/reactivation.ts';
import type { ServerAnswer } from '../../../../../operator/licenceServer/observe/serverAnswer.ts';

const now = Date.parse('2030-01-01T12:00:00Z');
const answered = (...keys: { name: string; activatedAt: string }[]): ServerAnswer => ({
  kind: 'answered',
  atMs: now,
  status: {
    version: '1.0.0',
    startedAt: '2030-01-01T11:00:00Z',
    fingerprint: 'f',
    products: [],
    keys: keys.map((key) => ({ ...key, state: 'Active', source: 'configuration' })),
  },
});
const asked = (more: Partial<ReactivationInput>): ReactivationInput => ({
  nowMs: now,
  request: '1',
  before: { request: '1', startedAt: '2030-01-01T11:00:00Z', pending: ['erp@a', 'zup@a'] },
  keys: undefined,
  names: ['erp', 'zup'],
  server: answered({ name: 'erp', activatedAt: 'b' }, { name: 'zup', activatedAt: 'a' }),
  deployed: { reactivation: '1', settled: true },
  ...more,
});

test('a reactivation waits for each of its keys', () => {
  const after = decideReactivation(asked({}));
  expect(after).toMatchObject({ pending: ['zup@a'] });
  expect(after?.provenAt).toBeUndefined();
});

test('a reactivation does not wait for ever for a key that has been taken out of spec meanwhile', () => {
  const after = decideReactivation(asked({ names: ['erp'], server: answered({ name: 'erp', activatedAt: 'b' }) }));
  expect(after).toMatchObject({ pending: [], provenAt: '2030-01-01T12:00:00Z' });
});
