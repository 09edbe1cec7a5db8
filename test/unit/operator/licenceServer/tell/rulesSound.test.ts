import { describe, expect, it } from 'vitest';
import type { SpecInput, Status } from '../../../../../operator/licenceServer/api/types.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import type { Observed } from '../../../../../operator/licenceServer/observe/observed.ts';
import { conditionsOf } from '../../../../../operator/licenceServer/tell/conditions.ts';
import { eventsOf } from '../../../../../operator/licenceServer/tell/events.ts';
import { answer, defaults, licenceServer, observed, valid } from '../world.ts';

const rules: SpecInput = { seats: { rules: [{ name: 'many', product: 'erp', match: {}, max: 100 }] } };
function conditions(spec: SpecInput, server: Observed['server'], before: Status = {}) {
  const world = observed({ server });
  const judged = valid(licenceServer(spec), world);
  return conditionsOf({
    valid: judged,
    observed: world,
    plan: plan(judged, before, world, defaults),
    before,
    refusals: [],
  });
}
const doubting = answer({ ruleDoubts: ['rule many can never matter', 'another'] });
const of = (said: ReturnType<typeof conditions>) => said.find(({ type }) => type === 'RulesSound');

describe('whether the seat rules do what they seem to', () => {
  it('is not told where there are none', () => {
    expect(of(conditions({}, answer()))).toBeUndefined();
  });

  it('is told as the server says it, and keeps nothing from being ready', () => {
    expect(of(conditions(rules, answer()))).toMatchObject({ status: 'True', reason: 'Sound' });
    const doubtful = conditions(rules, doubting);
    expect(of(doubtful)).toMatchObject({
      status: 'False',
      reason: 'RulesDoubtful',
      message: 'rule many can never matter; another',
    });
    const sound = conditions(rules, answer());
    for (const type of ['Ready', 'Stalled', 'Available']) {
      const [a, b] = [doubtful, sound].map((all) => all.find((c) => c.type === type));
      expect(a, type).toEqual(b);
    }
  });

  it('is an Event once, also where the server is silent in between', () => {
    const statusWith = (server: Observed['server'], before: Status = {}): Status =>
      ({ observedGeneration: 1, conditions: conditions(rules, server, before) }) as unknown as Status;
    const told = (before: Status, after: Status) =>
      eventsOf(before, after, undefined).filter(({ reason }) => reason === 'RulesDoubtful');
    const sound = statusWith(answer());
    const doubtful = statusWith(doubting, sound);
    expect(told(sound, doubtful)).toMatchObject([{ type: 'Warning', note: 'rule many can never matter; another' }]);
    const silent = statusWith({ kind: 'unreachable', atMs: 0, message: 'gone' }, doubtful);
    expect(told(doubtful, silent)).toEqual([]);
    expect(told(silent, statusWith(doubting, silent))).toEqual([]);
  });
});
