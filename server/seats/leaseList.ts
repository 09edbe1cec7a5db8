import { decodeCursor, encodeCursor } from './cursor.ts';
import { askedOf, fold, holderOf } from './holderKey.ts';
import { seatName, sizeOf } from './recount.ts';
import { invalid } from './requests.ts';
import { type Search, searchOf } from './search.ts';
import { modeOf, writtenOffKind } from './seatSql.ts';
import type { SeatStore } from './store.ts';

/** How a list of seats may be ordered; `-` before it: the other way round. */
export const leaseOrders = ['user', 'base', 'host', 'acquiredAt', 'renewedAt'] as const;
type LeaseOrder = (typeof leaseOrders)[number];

export interface LeaseFilter {
  readonly product?: string | undefined;
  readonly state?: 'active' | 'stale' | 'expired' | undefined;
  readonly base?: string | undefined;
  readonly user?: string | undefined;
  readonly host?: string | undefined;
  /** Parts of the holder's names. */
  readonly search?: string | undefined;
  readonly sort?: LeaseOrder | `-${LeaseOrder}` | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

interface LeaseRow {
  lease_id: string;
  pool_id: number;
  product: string;
  holder: string;
  shown: string | null;
  kind: number;
  state: 'active' | 'stale' | 'expired';
  slot: number;
  acquired_at: Date;
  renewed_at: Date;
  expires_at: Date | number;
  idle_since: Date | null;
  sort_key: string | null;
}

/** A lease of a base that reports was heard of with the base. */
export const heardSql = 'CASE WHEN l.kind > 0 THEN greatest(l.renewed_at, b.seen_at) ELSE l.renewed_at END';
export const silentSql = `silent AS MATERIALIZED (SELECT base FROM silent_bases($1 * interval '1 ms', clock_timestamp()))`;
export const isStaleSql = `l.kind > 0 AND split_part(l.holder, chr(31), 1) IN (SELECT base FROM silent)`;
/** Of a lease that does not come with reports no name of a base is taken out of the holder. */
export const withBaseSql =
  'LEFT JOIN base b ON b.base = CASE WHEN l.kind > 0 THEN split_part(l.holder, chr(31), 1) COLLATE "C" END';
const stateSql = `CASE WHEN l.expires_at <= clock_timestamp() THEN 'expired' WHEN ${isStaleSql} THEN 'stale' ELSE 'active' END`;

const orderSql: Readonly<Record<LeaseOrder, readonly [sql: string, type: string]>> = {
  base: ['split_part(l.holder, chr(31), 1) COLLATE "C"', 'text'],
  user: ['split_part(l.holder, chr(31), 2) COLLATE "C"', 'text'],
  host: ['split_part(l.holder, chr(31), 3) COLLATE "C"', 'text'],
  acquiredAt: ['l.acquired_at', 'timestamptz'],
  renewedAt: [heardSql, 'timestamptz'],
};

/**
 * One page. Without an order it goes by key: steady while seats change, and it reads no more than it shows. With one, or with a search
 * that finds little, it reads every lease once, and of each only what it is ordered by; all that is answered of a lease is looked up for the
 * page only, so its state is in the WHERE only when it is asked for.
 */
function leasesText({ sort, state }: LeaseFilter, searched: Search): string {
  const [key, type] = sort === undefined ? [undefined, ''] : orderSql[sort.replace('-', '') as LeaseOrder];
  const [direction, after] = sort?.startsWith('-') ? ['DESC', '<'] : ['ASC', '>'];
  // of what is searched for nobody knows how rare it is: read in the table's order, not in that of an index, it costs the same always
  const pool = searched.patterns ? '(l.pool_id + 0)' : 'l.pool_id';
  const by = (k: string, p: string, holder: string) =>
    `${key === undefined ? '' : `${k} ${direction}, `}${p} ${direction}, ${holder} ${direction}`;
  return `WITH ${silentSql}, page AS MATERIALIZED (
SELECT l.pool_id, l.holder, ${key ?? 'NULL::text'} AS sort_key
  FROM lease l ${key === heardSql ? withBaseSql : ''}
 WHERE ($4::text IS NULL OR l.pool_id = (SELECT pool_id FROM pool WHERE product = $4))
   AND ($5::text IS NULL OR l.holder >= $5 || chr(31) AND l.holder < $5 || chr(32))
   AND ($6::text IS NULL OR split_part(l.holder, chr(31), 2) = $6)
   AND ($7::text IS NULL OR split_part(l.holder, chr(31), 3) = $7)
   AND ($8::text[] IS NULL OR ${searched.names} LIKE ALL($8))
   ${state === undefined ? '' : `AND ${stateSql} = '${state}'`}
   AND ${
     key === undefined
       ? '$9::text IS NULL AND (l.pool_id, l.holder) > ($2::smallint, $3 COLLATE "C")'
       : `($9::text IS NULL OR (${key}, l.pool_id, l.holder) ${after} ($9::${type}, $2::smallint, $3 COLLATE "C"))`
   }
 ORDER BY ${by(key ?? '', pool, 'l.holder')} LIMIT $10)
SELECT l.lease_id, l.pool_id, p.product, l.holder, l.shown, l.kind, l.slot, l.acquired_at, ${heardSql} AS renewed_at, l.expires_at,
       l.idle_from - l.idle_after * interval '1 s' AS idle_since,
       ${stateSql} AS state, page.sort_key::text AS sort_key
  FROM page JOIN lease l ON l.pool_id = page.pool_id AND l.holder = page.holder JOIN pool p ON p.pool_id = l.pool_id ${withBaseSql}
 ORDER BY ${by('page.sort_key', 'page.pool_id', 'page.holder')}`;
}

const foldIf = (name: string | undefined): string | null => (name === undefined ? null : fold(name));

/** Who holds what. */
export async function listLeases(store: SeatStore, filter: LeaseFilter) {
  await store.renewalsWritten();
  const [pool, holder, key] = decodeCursor(filter.cursor) ?? [0, ''];
  const isTime = filter.sort?.endsWith('At') === true;
  if (
    (key !== undefined) !== (filter.sort !== undefined && filter.cursor !== undefined) ||
    (isTime && isNoMoment(key))
  ) {
    throw invalid('cursor: must be the nextCursor of the page before, in the same order');
  }
  for (const text of [filter.product, filter.base, filter.user, filter.host, filter.search]) {
    if (text?.includes('\u0000')) throw invalid('a filter must not contain control characters');
  }
  const searched = searchOf(filter.search);
  const { rows } = await store.db.query<LeaseRow>(leasesText(filter, searched), [
    store.staleAfterMs,
    Math.max(-1, Math.min(pool, 32_767)),
    holder,
    filter.product ?? null,
    foldIf(filter.base),
    foldIf(filter.user),
    foldIf(filter.host),
    searched.patterns,
    key ?? null,
    filter.limit + 1,
  ]);
  const page = rows.slice(0, filter.limit);
  const last = page.at(-1);
  const seatOf = ({ product, holder: key }: LeaseRow) => {
    const countBy = store.pool(product)?.entitlement.countBy ?? 'session';
    return countBy === 'session' ? {} : { seat: seatName(key, countBy) };
  };
  const askedFor = ({ product, holder: key }: LeaseRow) => {
    const { feature } = askedOf(key);
    const seats = sizeOf(key, store.pool(product)?.entitlement.weights ?? {});
    return { ...(feature === undefined ? {} : { feature }), ...(seats === 1 ? {} : { seats }) };
  };
  return {
    leases: page.map((row) => {
      const reservation = row.slot > 0 ? store.pool(row.product)?.reservations[row.slot - 1]?.name : undefined;
      return {
        leaseId: row.lease_id,
        product: row.product,
        holder: holderOf(row.shown ?? row.holder),
        mode: modeOf(row.kind),
        ...(row.kind === writtenOffKind ? { writtenOff: true } : {}),
        state: row.state,
        acquiredAt: row.acquired_at.toISOString(),
        renewedAt: row.renewed_at.toISOString(),
        ...(row.expires_at instanceof Date ? { expiresAt: row.expires_at.toISOString() } : {}),
        ...(row.idle_since === null ? {} : { idleSince: row.idle_since.toISOString() }),
        ...(reservation === undefined ? {} : { reservation }),
        ...seatOf(row),
        ...askedFor(row),
      };
    }),
    ...(rows.length > filter.limit && last ? { nextCursor: encodeCursor(endOf(last)) } : {}),
  };
}

const endOf = ({ pool_id, holder, sort_key }: LeaseRow) => [pool_id, holder, ...(sort_key === null ? [] : [sort_key])];

/** Not as PostgreSQL writes a moment: it would refuse it, and that would be no answer. */
function isNoMoment(text: string | undefined): boolean {
  if (text === undefined) return false;
  const [, day, time] = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d{1,6})?\+00$/.exec(text) ?? [];
  const ms = Date.parse(`${day}T${time}Z`);
  return Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(`${day}T${time}`);
}
