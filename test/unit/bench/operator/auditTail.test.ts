import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isLeaderLease, isWrite, tailAudit, tally } from '../../../../bench/operator/auditTail.ts';

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'audit-tail-'));
  file = join(dir, 'audit.log');
  writeFileSync(file, '');
});
afterEach(() => rmSync(dir, { recursive: true }));

const line = (username: string, verb: string, resource: string, subresource?: string) =>
  `${JSON.stringify({
    verb,
    user: { username },
    objectRef: { resource, subresource, namespace: 'a', name: 'b' },
    responseStatus: { code: 201 },
    requestReceivedTimestamp: '2026-01-01T00:00:00.001500Z',
    stageTimestamp: '2026-01-01T00:00:00.002250Z',
  })}\n`;

it('answers each call of the watched user once, with microseconds, also when a line comes in two pieces', () => {
  const tail = tailAudit(file, 'me');
  const whole = line('me', 'patch', 'licenceservers', 'status');
  appendFileSync(file, line('other', 'get', 'secrets') + whole.slice(0, 40));
  expect(tail.read()).toEqual([]);
  appendFileSync(file, whole.slice(40));
  const [call, ...more] = tail.read();
  expect(more).toEqual([]);
  expect(call).toMatchObject({ verb: 'patch', resource: 'licenceservers/status', key: 'a/b', status: 201 });
  expect((call?.toAt ?? 0) - (call?.fromAt ?? 0)).toBeCloseTo(0.75, 3);
  expect(tail.read()).toEqual([]);
  tail.close();
});

it('tells writes, and what keeps the leader’s lease, and counts by verb and resource', () => {
  const tail = tailAudit(file, 'me');
  appendFileSync(file, line('me', 'update', 'leases') + line('me', 'get', 'secrets').repeat(2));
  const calls = tail.read();
  expect(calls.map(isLeaderLease)).toEqual([true, false, false]);
  expect(calls.map(isWrite)).toEqual([true, false, false]);
  expect([...tally(calls)]).toEqual([
    ['update leases', 1],
    ['get secrets', 2],
  ]);
  tail.close();
});
