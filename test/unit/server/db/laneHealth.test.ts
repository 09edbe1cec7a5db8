import { expect, it } from 'vitest';
import { LaneHealth } from '../../../../server/db/laneHealth.ts';

it('one kind of work that fails is not hidden by others that go well, and is forgiven when it works or nobody tries', () => {
  let now = 0;
  const health = new LaneHealth(() => now);
  expect(health.trouble()).toBeUndefined();
  health.failed('heartbeat', 'too many connections');
  health.worked('seats');
  expect(health.isFailing('heartbeat')).toBe(true);
  expect(health.trouble()).toBe('the database refuses work (heartbeat): too many connections');
  now = 1_000;
  health.failed('seats', 'it is a standby');
  expect(health.trouble()).toBe('the database refuses work (seats): it is a standby');
  health.worked('seats');
  expect(health.trouble()).toBe('the database refuses work (heartbeat): too many connections');
  now = 15_001;
  expect(health.trouble()).toBeUndefined();
  health.failed('heartbeat', 'still');
  health.worked('heartbeat');
  expect(health.trouble()).toBeUndefined();
  expect(health.faultOf('heartbeat')).toBeUndefined();
});
