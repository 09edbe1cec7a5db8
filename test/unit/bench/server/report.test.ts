import { describe, expect, it } from 'vitest';
import { median } from '../../../../bench/median.ts';
import type { Case } from '../../../../bench/server/cases.ts';
import type { Measured } from '../../../../bench/server/measure.ts';
import {
  againstMarkdown,
  type CaseResult,
  casesMarkdown,
  ratioTo,
  verdictsOf,
} from '../../../../bench/server/report.ts';

const measured = (perSecond: number, p99Ms = 1): Measured => ({
  perSecond,
  p50Ms: 0.5,
  p99Ms,
  maxMs: 10,
  requests: perSecond,
  statuses: { 200: perSecond },
  serverUs: 20,
  postgresUs: 10,
  serverRssMib: 100,
  postgresPssMib: 50,
  faults: 0,
});
const heartbeat: Case = {
  name: 'heartbeat',
  kind: 'heartbeat',
  connections: 16,
  leases: 10,
  beside: ['bare', 'keygen-relay'],
  goal: { ofBare: 0.4, p99Ms: 5 },
};
const result = (c: Case, rounds: CaseResult['rounds']): CaseResult => ({ case: c, rounds });

describe('the report of the bench', () => {
  it('takes the middle of the rounds', () => {
    expect([median([3]), median([9, 1, 2]), median([1, 2, 3, 10])]).toEqual([3, 2, 2.5]);
  });
  it('divides within a round, so that a slow moment of the machine is in both figures', () => {
    const slow = result(heartbeat, {
      ours: [measured(50), measured(5), measured(60)],
      bare: [measured(100), measured(10), measured(100)],
    });
    expect(ratioTo(slow, 'bare')).toBe(0.5);
  });
  it('judges the ratio and the p99 apart', () => {
    const late = result(heartbeat, { ours: [measured(50, 7)], bare: [measured(100)] });
    expect(verdictsOf(late).map((v) => [v.value, v.isMet])).toEqual([
      ['50 % of bare', true],
      ['7.0 ms', false],
    ]);
    const bulk = result(
      { ...heartbeat, items: 500, goal: { itemsPerSecond: 250_000, p99Ms: 30 } },
      { ours: [measured(499)] },
    );
    expect(verdictsOf(bulk)[0]?.isMet).toBe(false);
  });
  it('judges every case beside the earlier build, also one without a goal of its own', () => {
    const { goal: _, ...plain } = heartbeat;
    const slower = result(plain, { ours: [measured(96)], earlier: [measured(100)] });
    expect(verdictsOf(slower).map((v) => [v.value, v.isMet])).toEqual([['0.96 × earlier', false]]);
    const faster = result(heartbeat, { ours: [measured(120)], earlier: [measured(100)], bare: [measured(100)] });
    expect(verdictsOf(faster)[0]).toMatchObject({ value: '1.20 × earlier', isMet: true });
    expect(againstMarkdown([slower, faster], '324d1f7')).toContain('| heartbeat | 16 | 120 | 100 | 1.20 × |');
  });
  it('says met or missed in the row, and that a relay was not given', () => {
    const rows = casesMarkdown([result(heartbeat, { ours: [measured(50)], bare: [measured(100)] })], false);
    expect(rows).toContain('| not given |');
    expect(rows).toContain('| met |');
    expect(casesMarkdown([result(heartbeat, { ours: [measured(39)], bare: [measured(100)] })], false)).toContain(
      '**missed**',
    );
  });
  it('marks a row whose answers were not the expected ones', () => {
    const faulty = { ...measured(50), faults: 0.02 };
    expect(casesMarkdown([result(heartbeat, { ours: [faulty], bare: [measured(100)] })], false)).toContain(
      '2 % faults',
    );
  });
});
