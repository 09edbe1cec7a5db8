import { expect, test } from 'vitest';
import { ApiError } from '../../../operator/kube/apiError.ts';
import { fixedIdsOf } from '../../../operator/openShift.ts';
import { createLog } from '../../../runtime/log.ts';
import { FakeClock } from '../../support/fakeClock.ts';

const answers = (status: number) =>
  status === 200
    ? Promise.resolve({ status, body: {} })
    : Promise.reject(
        new ApiError('GET /apis', {
          status,
          reason: '',
          message: '',
          retryAfterSeconds: undefined,
          details: undefined,
        }),
      );

async function ask(choice: 'Auto' | 'Enabled' | 'Disabled', ...statuses: number[]) {
  const asked: string[] = [];
  const clock = new FakeClock();
  const client = {
    request: ({ path }: { path: string }) => {
      asked.push(path);
      return answers(statuses[asked.length - 1] ?? 200);
    },
  };
  const found = fixedIdsOf(choice, { client, clock, log: createLog('t', 'silent') }, new AbortController().signal);
  await clock.advance(2_000 * statuses.length);
  return { fixedIds: await found, asked };
}

test.each([
  ['OpenShift has ids of its own', [200], false],
  ['another cluster has none', [404], true],
  ['nobody may ask', [403], true],
])('%s', async (_, statuses, fixedIds) => {
  expect(await ask('Auto', ...statuses)).toEqual({ fixedIds, asked: ['/apis/security.openshift.io/v1'] });
});

test('what cannot be told yet is asked again, and never guessed', async () => {
  expect(await ask('Auto', 503, 500, 200)).toMatchObject({ fixedIds: false, asked: { length: 3 } });
});

test('a choice is not asked about', async () => {
  expect(await ask('Enabled')).toEqual({ fixedIds: true, asked: [] });
  expect(await ask('Disabled')).toEqual({ fixedIds: false, asked: [] });
});
