import { setTimeout as delay } from 'node:timers/promises';
import { type Fixture, plenty } from './fixture.ts';

/** What a ledger may have gathered in a company's years, and what housekeeping has to do for it while seats are asked for. */
export interface Burden {
  readonly name: string;
  /** Puts it into an emptied ledger; `share` of it for a short run. Answers when housekeeping is at work on it. */
  put(ledger: Fixture, share: number): Promise<void>;
  /** Rows that housekeeping is to have taken away meanwhile, if that is what it is measured for. */
  readonly shrinks?: string;
  /** A start clears it away: how long that may take, in ms. */
  readonly startMs?: number;
}

/** An empty ledger with free seats. */
export async function emptied(ledger: Fixture): Promise<void> {
  await ledger.query('TRUNCATE lease, event, base, waiter, denial, denial_tally');
  await ledger.query(
    "UPDATE pool SET in_use = 0, seat_limit = $1, waiting = 0, stale = 0, stale_since = NULL, next_expiry = 'infinity', asking_until = '-infinity'",
    [plenty],
  );
  await ledger.query('VACUUM ANALYZE lease, event, base, denial');
  await ledger.query('CHECKPOINT');
}

const whole = (n: number, share: number): number => Math.max(1, Math.round(n * share));

export const burdens: readonly Burden[] = [
  {
    name: '500 silent bases, 100k sticky seats',
    startMs: 60_000,
    put: async (ledger, share) => {
      const bases = whole(500, share);
      await ledger.query(
        `INSERT INTO lease (pool_id, kind, lease_id, acquired_at, renewed_at, expires_at, holder)
         SELECT pool_id, 2, gen_random_uuid(), now() - interval '2 h', now() - interval '2 h', 'infinity',
                concat_ws(chr(31), 'silent' || b, 'user' || u, 'pc', '')
           FROM pool, generate_series(1, $1) b, generate_series(1, 200) u WHERE product = 'erp'`,
        [bases],
      );
      await ledger.query(
        "INSERT INTO base SELECT 'silent' || b, now() - interval '2 h' FROM generate_series(1, $1) b",
        [bases],
      );
      await ledger.query("UPDATE pool SET in_use = $1 WHERE product = 'erp'", [bases * 200]);
      await ledger.query('VACUUM ANALYZE lease, base');
      await until('they to be counted', async () => {
        const [row] = await ledger.query("SELECT stale FROM pool WHERE product = 'erp'");
        return Number(row?.stale) === bases * 200;
      });
    },
  },
  {
    name: 'a million open refusals',
    put: async (ledger, share) => {
      await ledger.query(
        `INSERT INTO denial (product, holder, reason, first_at, last_at, attempts)
         SELECT 'erp', concat_ws(chr(31), 'base' || n % 100, 'refused' || n, 'pc', ''), 'SeatsExhausted', now() - interval '30 s', now(), 1
           FROM generate_series(1, $1) n`,
        [whole(1_000_000, share)],
      );
      await ledger.query("UPDATE pool SET asking_until = now() + interval '21 min'");
      await ledger.query('VACUUM ANALYZE denial');
      await until('it to be found out who was served meanwhile', async () => {
        const [row] = await ledger.query('SELECT FROM denial WHERE unmet LIMIT 1');
        return row !== undefined;
      });
    },
  },
  {
    name: '10 million events, 5 million of them to be pruned',
    shrinks: 'event',
    put: async (ledger, share) => {
      const events = whole(10_000_000, share);
      await ledger.query(
        `INSERT INTO event SELECT now() - interval '180 days' + n * (interval '180 days' / $1::int), 1, 'G', gen_random_uuid(),
                concat_ws(chr(31), 'base' || n % 100, 'user' || n, 'pc', '')
           FROM generate_series(1, $1) n`,
        [events],
      );
      await ledger.query('VACUUM ANALYZE event');
      await ledger.query('CHECKPOINT');
      const [before] = await ledger.query('SELECT count(*)::int AS n FROM event');
      await until('pruning to begin', async () => {
        const [row] = await ledger.query('SELECT count(*)::int AS n FROM event');
        return Number(row?.n) < Number(before?.n);
      });
    },
  },
];

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 180_000;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`);
    await delay(500);
  }
}
