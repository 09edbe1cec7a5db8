import { expect, it } from 'vitest';
import { Throttle } from '../../../../operator/kube/throttle.ts';
import { FakeClock, settle } from '../../../support/fakeClock.ts';

it('lets a burst through, then as many a second as allowed, first come first served', async () => {
  const clock = new FakeClock();
  const throttle = new Throttle({ clock, maxConcurrent: 100, qps: 10, burst: 3 });
  const order: number[] = [];
  for (let i = 0; i < 20; i++)
    void throttle.enter().then((leave) => {
      order.push(i);
      leave();
    });
  await settle();
  expect(order).toEqual([0, 1, 2]);
  await clock.advance(1_000);
  expect(order).toHaveLength(13);
  await clock.advance(1_000);
  expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

it('gives a place on when it is left, once', async () => {
  const throttle = new Throttle({ clock: new FakeClock(), maxConcurrent: 1, qps: 0, burst: 1 });
  const leave = await throttle.enter();
  let entered = 0;
  for (let i = 0; i < 2; i++) void throttle.enter().then(() => entered++);
  await settle();
  expect(entered).toBe(0);
  leave();
  leave();
  await settle();
  expect(entered).toBe(1);
});

it('lets go of who no longer waits', async () => {
  const throttle = new Throttle({ clock: new FakeClock(), maxConcurrent: 1, qps: 0, burst: 1 });
  const leave = await throttle.enter();
  const abort = new AbortController();
  const waiting = throttle.enter(abort.signal);
  abort.abort(new Error('changed my mind'));
  await expect(waiting).rejects.toThrow('changed my mind');
  await expect(throttle.enter(abort.signal)).rejects.toThrow('changed my mind');
  leave();
  await expect(throttle.enter()).resolves.toBeTypeOf('function');
});
