import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { auditPosition, readAudit } from '../../../cluster/auditLog.ts';

const line = (user: string, extra: object = {}) =>
  `${JSON.stringify({
    user: { username: user },
    verb: 'patch',
    objectRef: { apiGroup: 'apps', resource: 'deployments', subresource: 'scale', namespace: 'n', name: 'd' },
    responseStatus: { code: 200 },
    requestReceivedTimestamp: '2026-01-01T00:00:00.000000Z',
    ...extra,
  })}\n`;

it("a position amid a line that is still being written is that line's beginning", () => {
  const dir = mkdtempSync(join(tmpdir(), 'audit-'));
  const file = join(dir, 'audit.log');
  writeFileSync(file, line('before') + line('bob').slice(0, 40));
  const from = auditPosition(file);
  appendFileSync(file, line('bob').slice(40));
  expect(readAudit(file, from).map((entry) => entry.user)).toEqual(['bob']);
  rmSync(dir, { recursive: true });
});

it('an audit log is read from a position on; a line that is still being written is left out', () => {
  const dir = mkdtempSync(join(tmpdir(), 'audit-'));
  const file = join(dir, 'audit.log');
  expect(auditPosition(file)).toBe(0);
  writeFileSync(file, line('before'));
  const from = auditPosition(file);
  appendFileSync(file, line('admin', { impersonatedUser: { username: 'alice' } }) + line('bob').slice(0, 40));
  expect(readAudit(file, from)).toEqual([
    {
      user: 'alice',
      verb: 'patch',
      resource: 'apps/deployments/scale',
      namespace: 'n',
      name: 'd',
      status: 200,
      at: '2026-01-01T00:00:00.000000Z',
    },
  ]);
  rmSync(dir, { recursive: true });
});
