import { describe, expect, it } from 'vitest';
import type { ServerStatus } from '../../../licence/serverStatus.ts';
import { changesSince, type Yesterday } from '../../../web/src/logic/sinceYesterday.ts';
import { createText } from '../../../web/src/text/text.ts';

const now = Date.parse('2026-11-24T12:00:00Z');
const hoursAgo = (hours: number) => new Date(now - hours * 3_600_000).toISOString();
const text = createText('en', 'UTC', now);
const status: ServerStatus = {
  version: '1.2.3',
  startedAt: hoursAgo(100),
  fingerprint: 'f',
  products: [{ product: 'erp', seatLimit: 10, seatsInUse: 3, seatsStale: 0, holdersWaiting: 0 }],
  keys: [],
};
const quiet: Yesterday = { usage: { stepSeconds: 3_600, points: [] }, denials: [], acts: [] };
const usage = (...points: readonly (readonly [hours: number, peak: number, seatLimit?: number])[]) => ({
  stepSeconds: 3_600,
  points: points.map(([hours, peak, seatLimit = 10]) => ({
    product: 'erp',
    at: hoursAgo(hours),
    peak,
    seatLimit,
    denied: 0,
  })),
});
const told = (yesterday: Partial<Yesterday>, more: Partial<ServerStatus> = {}) =>
  changesSince({ ...quiet, ...yesterday }, { ...status, ...more }, text, now).map((change) => change.text);
const holder = (user: string) => ({ base: 'b', user, host: 'h', session: '' });
const denial = (user: string, servedAt?: string) => ({
  product: 'erp',
  holder: holder(user),
  reason: 'SeatsExhausted',
  firstAt: hoursAgo(1),
  lastAt: hoursAgo(1),
  attempts: 3,
  unmet: servedAt === undefined,
  ...(servedAt === undefined ? {} : { servedAt }),
});

describe('what changed since yesterday', () => {
  it('is nothing where nothing did, and where there is no yesterday', () => {
    expect(told({})).toEqual([]);
    expect(told({ usage: usage([3, 5], [2, 9]) })).toEqual([]);
    expect(told({ usage: usage([30, 7], [2, 7]) })).toEqual([]);
  });

  it('compares the most in use and the licence with those of the day before', () => {
    expect(told({ usage: usage([40, 4], [30, 7], [20, 12, 20], [1, 2, 20]) })).toEqual([
      'erp: the licence has 20 seats; a day ago it had 10.',
      'erp: at most 12 seats in use at one time; in the 24 hours before that at most 7.',
    ]);
  });

  it('counts those who were refused, each once, and those who got no seat later', () => {
    const denials = [denial('anna'), denial('anna'), denial('boris', hoursAgo(0.5))];
    expect(told({ denials })).toEqual(['erp: 2 holders were refused; later without a seat: 1.']);
  });

  it('tells keys, starts and clearings of the last day only', () => {
    const key = { name: 'main', state: 'Active', source: 'configuration' } as const;
    const clearing = { id: 'r', at: hoursAgo(2), staleBefore: 3, cleared: 3, kept: 0 };
    expect(told({}, { startedAt: hoursAgo(2), keys: [{ ...key, activatedAt: hoursAgo(5) }], clearing })).toEqual([
      'Key main was activated 5 hours ago.',
      'A restart cleared 3 stale seats 2 hours ago.',
      'The server was started 2 hours ago; its version is 1.2.3.',
    ]);
    expect(
      told({}, { keys: [{ ...key, activatedAt: hoursAgo(25) }], clearing: { ...clearing, at: hoursAgo(25) } }),
    ).toEqual([]);
  });

  it('tells acts of administrators with their reason, five at most', () => {
    const act = (action: string, id: number) => ({ id, at: hoursAgo(1), actor: 'admin (::1)', action, target: 't' });
    const acts = [
      { ...act('POST /v1/leases/:leaseId([0-9a-fA-F-]+):release', 1), reason: 'switched off' },
      act('POST /v1/keys', 2),
      act('DELETE /v1/keys/:keyId', 3),
      act('POST /v1/stale:release', 4),
      act('POST /v1/something/else', 5),
    ];
    const changes = changesSince({ ...quiet, acts }, status, text, now);
    expect(changes.map((change) => change.text)).toEqual([
      'A seat was taken back by admin (::1) 1 hour ago.',
      'A key was installed by admin (::1) 1 hour ago.',
      'A key was removed by admin (::1) 1 hour ago.',
      'Stale seats were released by admin (::1) 1 hour ago.',
    ]);
    expect(changes[0]?.more).toBe('Reason: switched off');
    expect(told({ acts: Array.from({ length: 9 }, (_, id) => act('POST /v1/keys', id)) })).toHaveLength(5);
  });
});
