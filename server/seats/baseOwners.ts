import type pg from 'pg';
import type { BaseConflict } from '../../licence/serverStatus.ts';

/** An entry of `GET /v1/bases`: a base whose name an instance owns, or that two have come under. */
export interface OwnedBase {
  /** As it was spelled. */
  readonly base: string;
  readonly instance?: string;
  readonly since: string;
  readonly conflict?: BaseConflict;
}

/** Whether an instance may act for a base; `unknown`: the database has to be asked. */
export type Verdict = 'own' | 'foreign' | 'unknown';

/** A conflict is told for so long after it was last seen. */
const toldMinutes = 15;
/** A foreign instance is told no without asking the database again for so long. */
const foreignMs = 10_000;
const mostTold = 100;

/** What tells whether anything of the owners has changed: columns of a look at `cluster c`. */
export const ownersGlance = `c.adoptions,
  EXISTS (SELECT FROM base_owner o WHERE o.conflict_at > clock_timestamp() - interval '${toldMinutes} min') AS has_conflicts`;
export interface OwnersGlance {
  readonly adoptions: number;
  readonly has_conflicts: boolean;
}

interface OwnerRow {
  base: string;
  shown: string;
  instance: string | null;
  since: Date;
  conflict: 'instance' | 'reports' | null;
  rival: string | null;
  conflict_at: Date | null;
}

/**
 * Which instance owns the name of each base: the first that came, until an administrator gives it to another. An owner that is
 * known here costs no statement; what administrators change at other servers is read within seconds (`refresh`).
 */
export class BaseOwners {
  readonly #db: Pick<pg.Pool, 'query'>;
  #owners = new Map<string, string>();
  readonly #foreign = new Map<string, number>();
  #adoptions = -1;
  #conflicts: readonly BaseConflict[] = [];

  constructor(db: Pick<pg.Pool, 'query'>) {
    this.#db = db;
  }

  /** Conflicts of the last minutes, the newest first; 100 at most. */
  conflicts(): readonly BaseConflict[] {
    return this.#conflicts;
  }

  async refresh(): Promise<void> {
    const { rows } = await this.#db.query<OwnersGlance>(`SELECT ${ownersGlance} FROM cluster c`);
    if (rows[0] !== undefined) await this.follow(rows[0]);
  }

  /** Reads anew what has changed, from a look that somebody had. */
  async follow({ adoptions, has_conflicts: hasConflicts }: OwnersGlance): Promise<void> {
    if (adoptions !== this.#adoptions) {
      const all = await this.#db.query<{ base: string; instance: string }>(
        'SELECT base, instance FROM base_owner WHERE instance IS NOT NULL',
      );
      this.#owners = new Map(all.rows.map((r) => [r.base, r.instance]));
      this.#foreign.clear();
      this.#adoptions = adoptions;
    }
    if (!hasConflicts) {
      this.#conflicts = [];
      return;
    }
    const told = await this.#db.query<OwnerRow>(
      "SELECT * FROM base_owner WHERE conflict_at > clock_timestamp() - $1 * interval '1 min' ORDER BY conflict_at DESC LIMIT $2",
      [toldMinutes, mostTold],
    );
    this.#conflicts = told.rows.flatMap((row) => conflictOf(row) ?? []);
  }

  /** @param base folded */
  verdict(base: string, instance: string): Verdict {
    const owner = this.#owners.get(base);
    if (owner === instance) return 'own';
    const until = this.#foreign.get(`${base} ${instance}`);
    return until !== undefined && until > performance.now() ? 'foreign' : 'unknown';
  }

  /** Whether an instance would be let act for a base: as `claim` would answer, but nothing is taken and nothing noted. */
  async wouldOwn(base: string, instance: string): Promise<boolean> {
    const verdict = this.verdict(base, instance);
    if (verdict !== 'unknown') return verdict === 'own';
    const { rows } = await this.#db.query<{ instance: string | null }>(
      'SELECT instance FROM base_owner WHERE base = $1',
      [base],
    );
    const owner = rows[0]?.instance ?? null;
    return owner === null || owner === instance;
  }

  /** Takes the name if nobody has it; else notes the conflict. Answers whether it is this instance's now. */
  async claim(base: string, shown: string, instance: string): Promise<boolean> {
    const { rows } = await this.#db.query<{ owner: string }>('SELECT claim_base($1, $2, $3) AS owner', [
      base,
      shown,
      instance,
    ]);
    const owner = rows[0]?.owner ?? instance;
    this.#owners.set(base, owner);
    if (owner === instance) return true;
    if (this.#foreign.size > 10_000) this.#foreign.clear();
    this.#foreign.set(`${base} ${instance}`, performance.now() + foreignMs);
    return false;
  }

  /** Two bases report under one name, and neither says which instance it is. */
  async noteSwing(base: string, shown: string): Promise<void> {
    await this.#db.query('SELECT note_swing($1, $2)', [base, shown]);
  }

  /** Whether the lease is of a base that another instance owns. */
  async isForeign(leaseId: string, instance: string): Promise<boolean> {
    const { rowCount } = await this.#db.query(
      `SELECT FROM lease l JOIN base_owner o ON o.base = split_part(l.holder, chr(31), 1) COLLATE "C"
        WHERE l.lease_id = $1 AND o.instance <> $2`,
      [leaseId, instance],
    );
    return (rowCount ?? 0) > 0;
  }

  /** Gives the name to an instance, or to the one that has asked for it last. */
  async adopt(base: string, instance: string | undefined): Promise<{ known: boolean; instance: string | undefined }> {
    const { rows } = await this.#db.query<{ known: boolean; o_instance: string | null }>(
      'SELECT known, o_instance FROM adopt_base($1, $2)',
      [base, instance ?? null],
    );
    await this.refresh();
    return { known: rows[0]?.known ?? false, instance: rows[0]?.o_instance ?? undefined };
  }

  /** In the order of their names, after `after` (folded). */
  async list(after: string, limit: number): Promise<{ bases: OwnedBase[]; last: string | undefined }> {
    const { rows } = await this.#db.query<OwnerRow>('SELECT * FROM base_owner WHERE base > $1 ORDER BY base LIMIT $2', [
      after,
      limit + 1,
    ]);
    const page = rows.slice(0, limit);
    return {
      bases: page.map((row) => {
        const conflict = conflictOf(row);
        return {
          base: row.shown,
          ...(row.instance === null ? {} : { instance: row.instance }),
          since: row.since.toISOString(),
          ...(conflict === undefined ? {} : { conflict }),
        };
      }),
      last: rows.length > limit ? page.at(-1)?.base : undefined,
    };
  }
}

const conflictOf = (row: OwnerRow): BaseConflict | undefined =>
  row.conflict === null || row.conflict_at === null
    ? undefined
    : {
        base: row.shown,
        kind: row.conflict,
        ...(row.rival === null ? {} : { instance: row.rival }),
        lastAt: row.conflict_at.toISOString(),
      };

const mostNamed = 3;

/** Which bases two have come under, and what to do, in one sentence; undefined: none. */
export function conflictText(conflicts: readonly BaseConflict[]): string | undefined {
  if (conflicts.length === 0) return undefined;
  const names = conflicts.slice(0, mostNamed).map((c) => c.base);
  const more = conflicts.length > mostNamed ? ` and ${conflicts.length - mostNamed} more` : '';
  return `two bases come under one name: ${names.join(', ')}${more}; give a copy a name of its own, or adopt the base if it has moved`;
}
