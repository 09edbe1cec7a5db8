import type pg from 'pg';
import type { ProductEntitlement } from '../seats/entitlement.ts';

/**
 * Whose limits a database holds. Several servers of one computer share it, with one identity and one folder `Licence`; another
 * computer, or another folder, would overwrite what theirs grants. So the database keeps both, and a server that is not the
 * one it names changes nothing.
 */
export interface LedgerOwner {
  /** Says that this server is here. Undefined: the ledger is its own; else why it is not. */
  claim(): Promise<Foreign | undefined>;
  /** Whether the limits are those of these products, as they were handed over. */
  holds(products: readonly ProductEntitlement[]): Promise<boolean>;
}
export interface Foreign {
  /** One sentence: whose it is, and what to do. */
  readonly message: string;
  /** Whether it may pass by itself: the other one is not seen for a while. */
  readonly passing: boolean;
}

/** So long after it was last seen, a server with another folder counts as gone. */
export const goneAfterMs = 30_000;

export interface OwnerIds {
  readonly fingerprint: string;
  /** The id of the folder `Licence`; undefined: it cannot be written, and any will do. */
  readonly folder: string | undefined;
  /** `LICENCE_TAKE_OVER_FROM`: a computer that is gone for good. */
  readonly takeOverFrom?: string | undefined;
}

export function createLedgerOwner(db: pg.Pool, me: OwnerIds): LedgerOwner {
  return {
    claim: async () => {
      const { rowCount } = await db.query(
        `INSERT INTO ledger_owner AS o (fingerprint, folder, seen_at) VALUES ($1, $2, clock_timestamp())
         ON CONFLICT (one) DO UPDATE
           SET fingerprint = $1, folder = CASE $2 WHEN '' THEN o.folder ELSE $2 END, seen_at = clock_timestamp()
         WHERE o.fingerprint = $1 AND ($2 IN ('', o.folder) OR o.folder = '' OR o.seen_at < clock_timestamp() - $4 * interval '1 ms')
            OR o.fingerprint = $3`,
        [me.fingerprint, me.folder ?? '', me.takeOverFrom ?? null, goneAfterMs],
      );
      if (rowCount === 1) return undefined;
      const { rows } = await db.query<{ fingerprint: string }>('SELECT fingerprint FROM ledger_owner');
      const owner = rows[0]?.fingerprint ?? '';
      return owner === me.fingerprint ? otherFolder : otherComputer(owner, me.fingerprint);
    },
    holds: async (products) => {
      const { rows } = await db.query<{ product: string; seat_limit: number }>('SELECT product, seat_limit FROM pool');
      const wanted = new Map(products.map((p) => [p.product, p.seatLimit]));
      const there = new Set(rows.map((r) => r.product));
      return (
        rows.every((r) => r.seat_limit === (wanted.get(r.product) ?? 0)) && products.every((p) => there.has(p.product))
      );
    },
  };
}

const otherFolder: Foreign = {
  passing: true,
  message:
    'another server of this computer serves this database from another folder Licence, so this one changes no limit; mount the ' +
    'same folder, or stop the other one',
};
const otherComputer = (owner: string, mine: string): Foreign => ({
  passing: false,
  message:
    `the database holds the seats of another computer, ${owner}, and this one is ${mine}: give this server the identity and the ` +
    'folder Licence of that one, or a database of its own (DATABASE_URL); if that computer is gone for good, ' +
    `LICENCE_TAKE_OVER_FROM=${owner} hands its seats over to this one`,
});
