import { expect, it } from 'vitest';
import { ApiError, isUnreadable, readStatus } from '../../../../operator/kube/apiError.ts';

const refusal = (status: number, message: string) => new ApiError('PATCH /x', readStatus(status, { message }));

it.each([
  [400, 'the body is no JSON', true],
  [500, 'failed to create typed patch object (a/b; apps/v1, Kind=Deployment): expected list, got map', true],
  [500, 'failed to convert new object (a/b) to proper version: quantities must match', true],
  [500, 'etcdserver: request timed out', false],
  [503, 'failed to convert new object', false],
  [422, 'spec.replicas: Invalid value', false],
])('%d "%s" is the fault of an object that cannot be read: %s', (status, message, unreadable) => {
  expect(isUnreadable(refusal(status, message))).toBe(unreadable);
});
