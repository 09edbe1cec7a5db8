import { EventEmitter } from 'node:events';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { runCommand, runStatus } from '../../../cli/runCommand.ts';
import { LicenceClient } from '../../../client/licenceClient.ts';
import { type Computer, leaseMs, World } from './world.ts';

// The client and `licence run` over whatever happens to a server, a network and a computer, in stepped time.

const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];
let world: World;
afterEach(() => world.end());

/** A program that works for as long as it is let. */
interface Work {
  readonly computer: Computer;
  /** Set when it was told to end although it was not done. */
  killedAfterSilenceMs?: number;
  finish(): void;
  readonly ended: Promise<number>;
}

function startWork(computer: Computer, waitSeconds = 0): Work {
  const child = Object.assign(new EventEmitter(), {
    kill: () => {
      work.killedAfterSilenceMs = world.now - lastServed;
      return child.emit('exit', null, 'SIGTERM');
    },
  });
  let lastServed = world.now;
  const work: Work & { ended: Promise<number> } = {
    computer,
    finish: () => computer.run(() => child.emit('exit', 0, null)),
    ended: Promise.resolve(-1),
  };
  const seat = { product: 'erp', holder: { base: 'trade', user: computer.user, host: 'pc' } };
  work.ended = computer.run(() =>
    runCommand(
      new LicenceClient({ url: 'http://licences' }),
      { seat, command: ['work'], waitSeconds, whenLost: 'stop', start: () => child as never },
      () => {},
    ),
  );
  watched.set(computer, (servedAt) => {
    if (work.killedAfterSilenceMs === undefined) lastServed = servedAt;
  });
  return work;
}
const watched = new Map<Computer, (servedAt: number) => void>();

const who = fc.nat({ max: 2 });
const upTo = (most: number) => fc.integer({ min: 1_000, max: most });
const event = fc.oneof(
  { weight: 3, arbitrary: fc.record({ what: fc.constant('quiet' as const), ms: upTo(20 * minute) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('roll' as const), ms: upTo(minute) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constantFrom('refuses' as const, 'hangs' as const, 'away' as const),
      ms: upTo(hour),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('cut' as const), who, ms: upTo(hour) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('suspend' as const), who, ms: upTo(12 * hour) }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant('clock' as const), who, ms: fc.integer({ min: -day, max: day }) }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('lose' as const), who, ms: fc.integer({ min: 1, max: 3 }) }) },
);
type Event =
  | { readonly what: 'quiet' | 'roll' | 'refuses' | 'hangs' | 'away'; readonly ms: number }
  | { readonly what: 'cut' | 'suspend' | 'clock' | 'lose'; readonly who: number; readonly ms: number };

async function happen(each: Event): Promise<void> {
  if (each.what === 'quiet') return world.pass(each.ms);
  if (!('who' in each)) {
    world.server = each.what === 'roll' ? 'refuses' : each.what;
    await world.pass(each.ms);
    world.serveAgain();
    return world.pass(each.what === 'roll' ? 1_000 : leaseMs / 2);
  }
  const computer = world.computers[each.who];
  if (computer === undefined) throw new Error('no such computer');
  if (each.what === 'clock') computer.wallOffMs += each.ms;
  else if (each.what === 'lose') computer.answersToLose += each.ms;
  else {
    const trouble = each.what === 'cut' ? 'isCutOff' : 'isSuspended';
    computer[trouble] = true;
    await world.pass(each.ms);
    computer[trouble] = false;
  }
  return world.pass(minute);
}

/** Three programs with seats, through all that happens; then all is well again for ten minutes. */
async function live(events: readonly Event[], atEachMoment: () => void = () => {}): Promise<Work[]> {
  world = new World(['anna', 'boris', 'vera'], 3);
  watched.clear();
  const works = world.computers.map((computer) => startWork(computer));
  world.watch = () => {
    for (const computer of world.computers) {
      watched.get(computer)?.(computer.servedAt);
      expect(world.leasesOf(computer.user).length, `seats of ${computer.user}`).toBeLessThanOrEqual(1);
    }
    atEachMoment();
  };
  await world.pass(1_000);
  expect(world.pool.leases.size).toBe(3);
  for (const each of events) await happen(each);
  for (const computer of world.computers) computer.answersToLose = 0;
  await world.pass(10 * minute);
  return works;
}

async function finish(works: readonly Work[]): Promise<number[]> {
  for (const work of works) work.finish();
  await world.pass(minute);
  return Promise.all(works.map((work) => work.ended));
}

const some = { numRuns: 25, endOnFailure: true } as const;
/** The answer that tells of the loss is lost itself: the next one comes soon after it. */
const lossUntold: Event[] = [
  { what: 'lose', who: 0, ms: 3 },
  { what: 'suspend', who: 0, ms: 4 * hour },
];

describe('a program that holds a seat', () => {
  it('is never ended while there is a seat for it, holds one seat at most, and has one when all is well again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 8 }), async (events) => {
        const works = await live(events);
        expect(works.map((work) => work.killedAfterSilenceMs)).toEqual([undefined, undefined, undefined]);
        expect(world.pool.leases.size).toBe(3);
        expect(await finish(works)).toEqual([0, 0, 0]);
        expect(world.pool.leases.size).toBe(0);
        world.end();
      }),
      some,
    );
  }, 120_000);

  it('loses it to somebody else only after a silence of its own that was longer than a lease', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 8 }), async (events) => {
        const works = await live(events, () => void world.tryFor('grigory'));
        expect(world.pool.leases.size).toBeLessThanOrEqual(3);
        for (const { killedAfterSilenceMs } of works)
          if (killedAfterSilenceMs !== undefined) expect(killedAfterSilenceMs).toBeGreaterThanOrEqual(leaseMs);
        world.giveBackAllOf('grigory');
        world.watch = () => {};
        const ends = await finish(works);
        expect(ends).toEqual(works.map((work) => (work.killedAfterSilenceMs === undefined ? 0 : runStatus.lost)));
        expect(world.pool.leases.size).toBe(0);
        world.end();
      }),
      { ...some, examples: [[lossUntold]] },
    );
  }, 120_000);

  it('is ended when somebody else has its seat for good, and warned of nothing before', async () => {
    const works = await live([{ what: 'suspend', who: 0, ms: hour }], () => void world.tryFor('grigory'));
    expect(works.map((work) => work.killedAfterSilenceMs !== undefined)).toEqual([true, false, false]);
    expect(works[0]?.killedAfterSilenceMs).toBeGreaterThan(leaseMs);
  }, 30_000);
});

it('licence run waits as long as it was told to, whatever becomes of the time of the day', async () => {
  world = new World(['anna'], 0);
  const [computer] = world.computers;
  if (computer === undefined) throw new Error('no computer');
  let status: number | undefined;
  void startWork(computer, 600).ended.then((ended) => {
    status = ended;
  });
  await world.pass(minute);
  computer.wallOffMs = day;
  await world.pass(5 * minute);
  expect(status).toBeUndefined();
  computer.wallOffMs = -day;
  await world.pass(5 * minute);
  expect(status).toBe(runStatus.noSeat);
});
