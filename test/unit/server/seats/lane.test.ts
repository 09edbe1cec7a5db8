import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../../runtime/database/fault.ts';
import { type Command, Lane } from '../../../../server/seats/lane.ts';

class Probe implements Command {
  readonly key: string;
  readonly op: string;
  readonly outcome: Promise<string>;
  twins?: this[];
  done: (what: string) => void = () => {};
  fail: (error: unknown) => void = () => {};
  constructor(key: string, op = 'take') {
    this.key = key;
    this.op = op;
    this.outcome = new Promise((resolve) => {
      this.done = resolve;
      this.fail = (error) =>
        resolve(error instanceof StoreUnavailable ? 'unavailable' : `failed: ${(error as Error).message}`);
    });
  }
  same(other: this): boolean {
    return this.op === other.op;
  }
}
const withCode = (message: string, code: string) => Object.assign(new Error(message), { code });

/** A lane whose batches are seen, and answered by `answer`. */
function lane(answer: (batch: readonly Probe[]) => void, most = 100) {
  const batches: string[][] = [];
  const sessions = { given: 0, broken: 0 };
  const tested = new Lane<Probe, number>(
    {
      acquire: async () => ++sessions.given,
      release: (_session, broken) => {
        if (broken) sessions.broken += 1;
      },
    },
    async (_session, batch) => {
      batches.push(batch.map((c) => `${c.op} ${c.key}`));
      await Promise.resolve();
      answer(batch);
      for (const c of batch) for (const one of [c, ...(c.twins ?? [])]) one.done(`did ${c.op} ${c.key}`);
      return undefined;
    },
    most,
    1_000,
  );
  const push = (...commands: Probe[]) => {
    for (const c of commands) tested.push(c);
    return Promise.all(commands.map((c) => c.outcome));
  };
  return { tested, batches, sessions, push };
}

describe('a lane', () => {
  it('makes one batch of what arrives together', async () => {
    const { batches, push } = lane(() => {});
    await push(new Probe('a'), new Probe('b'), new Probe('c'));
    expect(batches).toEqual([['take a', 'take b', 'take c']]);
  });
  it('makes one of the same command twice, and answers both', async () => {
    const { batches, push } = lane(() => {});
    expect(await push(new Probe('a'), new Probe('a'))).toEqual(['did take a', 'did take a']);
    expect(batches).toEqual([['take a']]);
  });
  it('keeps different commands of one key in order, in batches of their own', async () => {
    const { batches, push } = lane(() => {});
    await push(new Probe('a'), new Probe('a', 'give'), new Probe('b'));
    expect(batches).toEqual([['take a', 'take b'], ['give a']]);
  });
  it('takes no more into a batch than it may', async () => {
    const { batches, push } = lane(() => {}, 2);
    await push(...['a', 'b', 'c', 'd', 'e'].map((k) => new Probe(k)));
    expect(batches.map((b) => b.length)).toEqual([2, 2, 1]);
  });
  it('lets one bad command fail alone', async () => {
    const { push, sessions } = lane((batch) => {
      if (batch.some((c) => c.key === 'bad')) throw withCode('bad value', '22000');
    });
    const outcomes = await push(...['a', 'b', 'bad', 'c', 'd'].map((k) => new Probe(k)));
    expect(outcomes).toEqual(['did take a', 'did take b', 'failed: bad value', 'did take c', 'did take d']);
    expect(sessions.broken).toBe(0);
  });
  it('tries a deadlocked batch again', async () => {
    let tries = 0;
    const { push } = lane(() => {
      tries += 1;
      if (tries < 3) throw withCode('deadlock detected', '40P01');
    });
    expect(await push(new Probe('a'))).toEqual(['did take a']);
  });
  it.each([
    ['a lost connection', new Error('Connection terminated unexpectedly')],
    ['a shutdown', withCode('terminating connection', '57P01')],
    ['a full disk', withCode('could not extend file', '53100')],
    ['a refused connection', withCode('connect ECONNREFUSED', 'ECONNREFUSED')],
    ['a standby', withCode('cannot execute UPDATE in a read-only transaction', '25006')],
    ['a pooler that shares sessions', withCode('prepared statement "seat_batch" does not exist', '26000')],
    ['a database without the ledger', withCode('relation "pool" does not exist', '42P01')],
    ['a certificate that has expired', withCode('certificate has expired', 'CERT_HAS_EXPIRED')],
    ['whatever has no code', new TypeError('no row')],
  ])('tells all of a batch that the outcome is unknown after %s, and takes a new session', async (_name, error) => {
    let first = true;
    const { push, sessions } = lane(() => {
      if (!first) return;
      first = false;
      throw error;
    });
    expect(await push(new Probe('a'), new Probe('b'))).toEqual(['unavailable', 'unavailable']);
    expect(sessions.broken).toBe(1);
    expect(await push(new Probe('a'))).toEqual(['did take a']);
  });
  it('drains when nothing waits or runs any more', async () => {
    const { tested, push } = lane(() => {}, 1);
    const all = push(new Probe('a'), new Probe('b'));
    await tested.drained();
    expect(tested.length).toBe(0);
    expect(await all).toEqual(['did take a', 'did take b']);
  });
});

describe('a lane whose batches may pass each other', () => {
  /** Batches stay under way until they are let go. */
  function held(asideFrom?: number) {
    const underWay: (() => void)[] = [];
    const tested = new Lane<Probe, number>(
      { acquire: async () => 1, release: () => {} },
      async (_session, batch) => {
        await new Promise<void>((resolve) => underWay.push(resolve));
        for (const c of batch) c.done(`did ${c.key}`);
        return undefined;
      },
      3,
      1_000,
      {},
      asideFrom,
    );
    const push = (...keys: string[]) => {
      const commands = keys.map((key) => new Probe(key));
      for (const c of commands) tested.push(c);
      return Promise.all(commands.map((c) => c.outcome));
    };
    const turns = async () => {
      for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    return { tested, underWay, push, turns };
  }

  it('starts a second one when much waits, never a third, and drains after the last', async () => {
    const { tested, underWay, push, turns } = held(3);
    const all = push('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i');
    await turns();
    expect(underWay).toHaveLength(2);
    expect(tested.length).toBe(3);
    let drained = false;
    const drain = tested.drained().then(() => {
      drained = true;
    });
    underWay.shift()?.();
    await turns();
    expect(underWay).toHaveLength(2);
    underWay.shift()?.();
    await turns();
    expect(drained).toBe(false);
    underWay.shift()?.();
    expect(await all).toHaveLength(9);
    await drain;
  });
  it('keeps little that waits for the next batch', async () => {
    const { underWay, push, turns } = held(3);
    const all = push('a', 'b', 'c', 'd', 'e');
    await turns();
    expect(underWay).toHaveLength(1);
    underWay.shift()?.();
    await turns();
    expect(underWay).toHaveLength(1);
    underWay.shift()?.();
    expect(await all).toHaveLength(5);
  });
  it('runs one at a time unless it is told otherwise', async () => {
    const { underWay, push, turns } = held();
    const all = push('a', 'b', 'c', 'd', 'e', 'f');
    await turns();
    expect(underWay).toHaveLength(1);
    underWay.shift()?.();
    await turns();
    underWay.shift()?.();
    expect(await all).toHaveLength(6);
  });
});
