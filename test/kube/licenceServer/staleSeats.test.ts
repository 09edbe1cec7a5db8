import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import type { LicenceServer, SpecInput } from '../../../operator/licenceServer/api/types.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

const office = () => stage.server('office');

async function running(staleSeats: SpecInput['staleSeats'] = {}, name = 'office', setting = {}) {
  if (stage.operator === undefined) {
    await stage.start(setting);
    await stage.putKeys('keys', { erp: freshKey() });
  }
  await stage.create(name, specWithKey({ staleSeats }));
  return stage.until(name, 'is ready', isReady);
}
const cleared = (server: LicenceServer) => server.status?.staleSeats?.lastClearing;

describe('stale seats', () => {
  test('are cleared by one proven roll as soon as nobody really uses a seat', async () => {
    await running();
    Object.assign(office(), { stale: 3, live: 2 });
    const waits = await stage.until('office', 'waits', (s) => s.status?.nextDisruption !== undefined);
    expect(waits.status?.nextDisruption).toMatchObject({ reasons: ['StaleSeats'], message: '2 seats are in real use' });
    expect(condition(waits, 'SeatsFresh')).toMatchObject({ status: 'False', reason: 'StaleSeats' });
    expect(office().starts).toBe(1);
    office().live = 0;
    const done = await stage.until('office', 'is cleared', (s) => isReady(s) && cleared(s) !== undefined);
    expect(cleared(done)).toMatchObject({ by: 'Roll', before: 3, after: 0 });
    expect(done.status?.staleSeats?.clearing).toBeUndefined();
    expect(done.status?.lastRoll?.reasons).toEqual(['StaleSeats']);
    expect(condition(done, 'SeatsFresh')).toMatchObject({ status: 'True' });
    expect(office().starts).toBe(2);
    const events = await eventually('people are told', async () => {
      const all = await stage.events();
      return all.some((event) => event.reason === 'StaleSeatsCleared') && all;
    });
    expect(events.find((event) => event.reason === 'StaleSeatsCleared')?.note).toContain('from 3 to 0');
    const metrics = await stage.operator?.metrics.registry.metrics();
    expect(metrics).toContain('licence_operator_rolls_total{reason="StaleSeats"} 1');
    expect(metrics).toContain('licence_operator_stale_seats_cleared_total{by="Roll"} 3');
  });

  test('are not cleared again within minInterval, even by an operator that was started anew', async () => {
    await running({ minInterval: '1h' });
    office().stale = 1;
    const done = await stage.until('office', 'is cleared', (s) => isReady(s) && cleared(s) !== undefined);
    await stage.restart();
    office().stale = 2;
    const waits = await stage.until('office', 'waits', (s) => s.status?.nextDisruption !== undefined);
    const at = Date.parse(waits.status?.nextDisruption?.at ?? '');
    expect(at - Date.parse(cleared(done)?.at ?? '')).toBeGreaterThan(3_590_000);
    const { polls } = office();
    await eventually('it was asked again', () => office().polls > polls + 5);
    expect(office().starts).toBe(2);
  });

  test('that remain are told, and the next clearing is put off for longer each time', async () => {
    await running({ minInterval: '1m' });
    Object.assign(office(), { stale: 2, clears: false });
    const remain = await stage.until('office', 'tells', (s) => cleared(s) !== undefined);
    expect(cleared(remain)).toMatchObject({ before: 2, after: 2 });
    expect(remain.status?.staleSeats).toMatchObject({ failures: 1 });
    const waits = await stage.until('office', 'waits', (s) => s.status?.nextDisruption?.at !== undefined);
    const at = Date.parse(waits.status?.nextDisruption?.at ?? '');
    expect(at - Date.parse(cleared(remain)?.at ?? '')).toBeGreaterThan(110_000);
    await eventually('people are told', async () =>
      (await stage.events()).some((e) => e.reason === 'StaleSeatsRemain'),
    );
  });

  test('are released in place where the policy says so: no pod is touched', async () => {
    await running({ policy: 'Release', when: 'Always' });
    Object.assign(office(), { stale: 4, live: 3 });
    const done = await stage.until('office', 'is cleared', (s) => cleared(s) !== undefined);
    expect(cleared(done)).toMatchObject({ by: 'Release', before: 4, after: 0 });
    expect(office()).toMatchObject({ starts: 1, live: 3 });
  });

  test('that a release does not take away are asked for ever more rarely', async () => {
    await running({ policy: 'Release', when: 'Always' });
    Object.assign(office(), { stale: 4, live: 3, clears: false });
    await eventually('they were asked for', () => office().releases > 0);
    const polls = office().polls;
    await eventually('it was asked for its counts many times', () => office().polls > polls + 20);
    expect(office().releases).toBeLessThan(4);
    office().clears = true;
    await stage.until('office', 'is cleared', (s) => cleared(s)?.after === 0, 60_000);
  }, 120_000);

  test('whose clearing is under way when the server is suspended are given up: it ends, and holds nobody', async () => {
    await running({ when: 'Always' });
    stage.ready = false;
    office().stale = 1;
    await stage.until('office', 'is being cleared', (s) => s.status?.lastRoll?.reasons.includes('StaleSeats') === true);
    await stage.patch('office', { spec: { suspend: true } });
    const ended = await stage.until('office', 'has ended it', (s) => {
      return condition(s, 'Suspended')?.status === 'True' && s.status?.staleSeats?.clearing === undefined;
    });
    expect(cleared(ended)).toBeUndefined();
  });

  test('are released in place also while the server waits for its turn of an upgrade', async () => {
    const names = ['east', 'west'];
    for (const name of names) await running({ policy: 'Release', when: 'Always' }, name);
    stage.ready = false;
    await stage.restart({ image: 'licence-server:next' });
    const held = await eventually('one is held', async () => {
      const all = await Promise.all(names.map((name) => stage.licenceServer(name)));
      return all.find((s) => condition(s, 'Reconciling')?.reason === 'RolloutHeld')?.metadata.name;
    });
    stage.server(held).stale = 2;
    await stage.until(held, 'is cleared', (s) => cleared(s)?.after === 0);
    expect(stage.server(held).starts).toBe(1);
  });

  test('are cleared on Exhausted only when somebody is refused for want of a seat', async () => {
    await running({ when: 'Exhausted' });
    Object.assign(office(), { stale: 4, live: 3 });
    await stage.until('office', 'waits', (s) => s.status?.nextDisruption?.message === 'nobody is waiting for a seat');
    office().waiting = 1;
    await stage.until('office', 'is cleared', (s) => cleared(s)?.after === 0);
    expect(office()).toMatchObject({ starts: 2, live: 3 });
  });

  test('of a server that does not answer are unknown: the condition says so, and nothing rolls', async () => {
    await running({ when: 'Always' });
    office().up = false;
    const unknown = await stage.until('office', 'is unknown', (s) => condition(s, 'SeatsFresh')?.status === 'Unknown');
    expect(condition(unknown, 'SeatsFresh')).toMatchObject({ reason: 'ServerUnreachable' });
    expect(condition(unknown, 'Ready')).toMatchObject({ status: 'Unknown' });
    expect(condition(unknown, 'Available')).toMatchObject({ status: 'True' });
    office().stale = 5;
    office().up = true;
    await stage.until('office', 'is cleared once it answers', (s) => cleared(s)?.before === 5);
    expect(office().starts).toBe(2);
  });

  test('of several servers are cleared one server at a time', async () => {
    for (const name of ['east', 'north', 'west']) await running({}, name);
    const names = ['east', 'north', 'west'];
    let most = 0;
    stage.onStart = () => {
      most = Math.max(most, names.filter((name) => !stage.server(name).up).length);
    };
    stage.startDelayMs = 400;
    for (const name of names) stage.server(name).stale = 1;
    for (const name of names) await stage.until(name, 'is cleared', (s) => cleared(s)?.after === 0, 30_000);
    expect(names.map((name) => stage.server(name).starts)).toEqual([2, 2, 2]);
    expect(most).toBe(1);
  });
});

describe('another operator version', () => {
  test('that renders the same pod rolls nothing; a new default image rolls one server at a time and stops at a failure', async () => {
    const names = ['east', 'north', 'west'];
    for (const name of names) await running({}, name);
    await stage.restart();
    const starts = () => names.map((name) => stage.server(name).starts);
    const polls = stage.server('west').polls;
    await eventually('all is looked at', () => stage.server('west').polls > polls + 3);
    expect(starts()).toEqual([1, 1, 1]);
    stage.ready = false;
    await stage.restart({ image: 'licence-server:next' });
    await eventually('one rolls', () => names.filter((name) => !stage.server(name).up).length === 1);
    const held = await eventually('the others are held', async () => {
      const all = await Promise.all(names.map((name) => stage.licenceServer(name)));
      const waiting = all.filter((s) => condition(s, 'Reconciling')?.reason === 'RolloutHeld');
      return waiting.length === 2 && waiting;
    });
    expect(held[0]?.status?.nextDisruption).toMatchObject({ reasons: ['ImageChanged'] });
    stage.ready = true;
    for (const name of names) {
      await stage.until(
        name,
        'runs the new image',
        (s) => isReady(s) && s.status?.image === 'licence-server:next',
        30_000,
      );
    }
    expect(starts()).toEqual([2, 2, 2]);
  });
});
