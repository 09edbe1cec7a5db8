import { expect, it } from 'vitest';
import { ApiError, readStatus } from '../../../../../operator/kube/apiError.ts';
import { failureEvents } from '../../../../../operator/licenceServer/tell/events.ts';
import { failedPassOf, failedStatus } from '../../../../../operator/licenceServer/tell/failedPass.ts';
import { licenceServer, nowMs } from '../world.ts';

const refusal = (status: number, reason: string, message: string) =>
  new ApiError('POST /api/v1/namespaces/accounting/secrets', readStatus(status, { reason, message }));
const quota = refusal(403, 'Forbidden', 'exceeded quota: few');

it.each([
  ['a refusal is told at once', quota, 1, 'Forbidden', true],
  ['so is one without a word for programs', refusal(400, '', 'denied'), 1, 'Status400', true],
  ['a conflict passes', refusal(409, 'Conflict', 'changed'), 2, undefined, undefined],
  ['unless it comes again and again', refusal(409, 'Conflict', 'changed'), 3, 'Conflict', false],
  ['a server that asks to wait is no refusal', refusal(429, 'TooManyRequests', 'later'), 1, undefined, undefined],
  ['nor is one that has failed', refusal(500, 'InternalError', 'oops'), 2, undefined, undefined],
  ['which is told when it stays so', refusal(500, 'InternalError', 'oops'), 3, 'InternalError', false],
  ['a lost connection', new Error('connect ECONNREFUSED'), 2, undefined, undefined],
  ['one that stays lost', new Error('connect ECONNREFUSED'), 3, 'PassFailed', false],
])('%s', (_, error, failures, reason, isRefused) => {
  const told = failedPassOf(error, failures);
  expect([told?.reason, told?.isRefused]).toEqual([reason, isRefused]);
});

it('says it in the summary and leaves everything else as it was, the observed generation too', () => {
  const status = { observedGeneration: 4, keysCopy: 'office-keys-1', conditions: [] };
  const server = licenceServer({}, { status, generation: 5 } as never);
  const fault = failedPassOf(quota, 1);
  if (fault === undefined) throw new Error('nothing told');
  const { conditions, ...rest } = failedStatus(server, fault, nowMs, { failures: 13, afterMs: 20_480 });
  expect(rest).toEqual({ observedGeneration: 4, keysCopy: 'office-keys-1' });
  expect(conditions?.map(({ type, status: is, reason }) => [type, is, reason])).toEqual([
    ['Ready', 'False', 'Forbidden'],
    ['Reconciling', 'False', 'Stalled'],
    ['Stalled', 'True', 'Forbidden'],
  ]);
  expect(conditions?.[0]?.message).toMatch(/exceeded quota: few; it has failed 13 times and is tried again in 20 s$/);
});

it('writes the same again for attempts that follow at once, so that they cost one write together', () => {
  const server = licenceServer();
  const fault = failedPassOf(quota, 1);
  if (fault === undefined) throw new Error('nothing told');
  const first = failedStatus(server, fault, nowMs, { failures: 1, afterMs: 5 });
  const next = failedStatus({ ...server, status: first }, fault, nowMs + 15, { failures: 2, afterMs: 10 });
  expect(next).toEqual(first);
  expect(failureEvents({}, fault)).toHaveLength(1);
  expect(failureEvents(first, fault)).toEqual([]);
});
