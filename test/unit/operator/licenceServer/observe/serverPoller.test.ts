import { beforeEach, describe, expect, test } from 'vitest';
import type { ServerStatus } from '../../../../../licence/serverStatus.ts';
import type { Parsed } from '../../../../../operator/licenceServer/observe/serverAnswer.ts';
import type { ServerTarget } from '../../../../../operator/licenceServer/observe/serverClient.ts';
import { ServerPoller } from '../../../../../operator/licenceServer/observe/serverPoller.ts';
import { FakeClock, settle } from '../../../../support/fakeClock.ts';
import { serverStatus } from '../world.ts';

const target = (token = 't'): ServerTarget => ({
  namespace: 'n',
  service: 's',
  port: 1,
  portName: 'http',
  tls: false,
  token: { version: token, read: async () => token },
});
const up: Parsed<ServerStatus> = { ok: true, value: serverStatus() };
const down: Parsed<ServerStatus> = { ok: false, message: 'refused' };

let clock: FakeClock;
let answers: Parsed<ServerStatus>;
let asked: number[];
let changes: string[];
let poller: ServerPoller;

beforeEach(() => {
  clock = new FakeClock();
  answers = up;
  asked = [];
  changes = [];
  const started = clock.now();
  poller = new ServerPoller({
    client: {
      status: async () => {
        asked.push(clock.now() - started);
        return answers;
      },
    },
    clock,
    steadyMs: 10_000,
    eagerMs: 1_000,
    concurrency: 2,
    // No jitter.
    random: () => 0.5,
    onChange: (key) => changes.push(key),
  });
});

describe('the poller', () => {
  test('asks at once and then at the steady pace, and tells only of what is new', async () => {
    poller.track('a', target(), false);
    await clock.advance(30_000);
    expect(asked).toEqual([0, 10_000, 20_000, 30_000]);
    expect(changes).toEqual(['a']);
    answers = { ok: true, value: serverStatus({ version: '2.0.0' }) };
    await clock.advance(10_000);
    expect(changes).toEqual(['a', 'a']);
  });

  test('asks those that nobody is in a hurry for together, each at its own pace, and never too many', async () => {
    for (const [servers, moments] of [
      [40, 24],
      [400, 240],
    ] as const) {
      clock = new FakeClock();
      const times: number[] = [];
      let seed = 1;
      const many = new ServerPoller({
        ...{ client: { status: async () => up }, clock, steadyMs: 10_000, eagerMs: 1_000, concurrency: 2 },
        random: () => {
          seed = (seed * 16_807) % 2_147_483_647;
          return seed / 2_147_483_647;
        },
        onChange: () => {},
      });
      const after = clock.after.bind(clock);
      clock.after = (delayMs, fn) => {
        times.push(Math.round(clock.monotonic() + delayMs));
        return after(delayMs, fn);
      };
      for (let i = 0; i < servers; i++) {
        many.track(`n/${i}`, target(), false);
        await clock.advance(7);
      }
      times.length = 0;
      await clock.advance(12_000);
      const shown = times.filter((at) => at < clock.monotonic() + 8_000);
      expect(new Set(shown).size).toBeLessThanOrEqual(moments);
      expect(times.length).toBeGreaterThanOrEqual(servers * 0.9);
      many.stop();
    }
  });

  test('asks eagerly while a change is under way, and tells of every answer then', async () => {
    poller.track('a', target(), true);
    for (let second = 0; second < 3; second++) {
      await clock.advance(second === 0 ? 0 : 1_000);
      poller.track('a', target(), true); // the pass that was asked for
    }
    await clock.advance(1_000);
    expect(asked).toEqual([0, 1_000, 2_000, 3_000]);
    expect(changes.length).toBe(4);
  });

  test('is in no hurry for an answer after one that nobody has looked at', async () => {
    poller.track('a', target(), true);
    await clock.advance(9_999);
    expect(asked).toEqual([0]);
    expect(changes.length).toBe(1);
    poller.track('a', target(), true);
    await clock.advance(1_000);
    expect(asked.length).toBe(2);
  });

  test('takes one lost answer for no news, two for an unreachable server', async () => {
    poller.track('a', target(), false);
    await settle();
    answers = down;
    await clock.advance(10_000);
    expect(poller.answer('a').kind).toBe('answered');
    await clock.advance(2_000);
    expect(poller.answer('a')).toMatchObject({ kind: 'unreachable', message: 'refused' });
    answers = up;
    await clock.advance(10_000);
    expect(poller.answer('a').kind).toBe('answered');
  });

  test('asks a server that never answers less and less often', async () => {
    answers = down;
    poller.track('a', target(), true);
    await clock.advance(40_000);
    expect(asked).toEqual([0, 2_000, 6_000, 14_000, 24_000, 34_000]);
    expect(changes).toEqual(['a']);
  });

  test('asks at once when a change begins, or the token is another', async () => {
    poller.track('a', target(), false);
    await clock.advance(500);
    poller.track('a', target(), true);
    await settle();
    expect(asked).toEqual([0, 500]);
    poller.track('a', target('other'), true);
    await settle();
    expect(asked.length).toBe(3);
  });

  test('forgets: no answer, no question, not even one that is under way', async () => {
    poller.track('a', target(), false);
    poller.forget('a');
    await clock.advance(60_000);
    expect(poller.answer('a')).toEqual({ kind: 'none' });
    expect(changes).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test('asks a server that is expected as soon as it came up, and not after it was forgotten', async () => {
    poller.expect('a', target());
    poller.expect('b', target());
    await clock.advance(20_000);
    expect(asked).toEqual([]);
    poller.forget('b');
    for (const key of ['a', 'b', 'c']) poller.cameUp(key);
    await settle();
    expect(asked).toEqual([20_000]);
    expect([poller.answer('a').kind, poller.answer('b').kind]).toEqual(['answered', 'none']);
    // It is asked by now: coming up once more is no news.
    poller.cameUp('a');
    await settle();
    expect(asked).toEqual([20_000]);
    poller.stop();
  });

  test('asks those that somebody waits for before the routine', async () => {
    const order: string[] = [];
    let answer = () => {};
    const single = new ServerPoller({
      client: {
        status: async ({ token }) => {
          order.push(token.version);
          await new Promise<void>((resolve) => {
            answer = resolve;
          });
          return up;
        },
      },
      clock,
      steadyMs: 10_000,
      eagerMs: 1_000,
      concurrency: 1,
      random: () => 0.5,
      onChange: () => {},
    });
    for (const key of ['a', 'b', 'c']) {
      single.track(key, target(key), false);
      answer();
      await settle();
    }
    await clock.advance(10_000);
    single.track('new', target('new'), true);
    for (let i = 0; i < 3; i++) {
      answer();
      await settle();
    }
    expect(order).toEqual(['a', 'b', 'c', 'a', 'new', 'b', 'c']);
    single.stop();
  });

  test('never asks more servers at one time than it may', async () => {
    const waiting: (() => void)[] = [];
    let most = 0;
    let now = 0;
    const crowd = new ServerPoller({
      client: {
        status: async () => {
          most = Math.max(most, ++now);
          await new Promise<void>((resolve) => waiting.push(resolve));
          now -= 1;
          return up;
        },
      },
      clock,
      steadyMs: 10_000,
      eagerMs: 1_000,
      concurrency: 2,
      random: () => 0.5,
      onChange: (key) => changes.push(key),
    });
    for (const key of ['a', 'b', 'c', 'd', 'e']) crowd.track(key, target(), false);
    for (let i = 0; i < 5; i++) {
      waiting.shift()?.();
      await settle();
    }
    expect(most).toBe(2);
    expect(changes.sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
    crowd.stop();
  });
});
