import type { Http } from '../../runtime/httpShell.ts';
import { ProblemError } from '../../runtime/problem.ts';
import { csvAnswer, csvTable, tableResponse } from '../csv.ts';
import * as schemas from './adminSchemas.ts';
import { baseParams, leaseParams, nothing } from './clientSchemas.ts';
import { fold } from './holderKey.ts';
import { listLeases } from './leaseList.ts';
import { listDenials, overdrawn, productStatuses } from './leaseQueries.ts';
import { listPeople } from './people.ts';
import { instanceOf, momentAt, readLeaseId } from './requests.ts';
import type { SeatStore } from './store.ts';

const admin = { role: 'admin' };
const tags = ['administration'];

/** The routes of administrators: who holds what, counts, refusals, taking seats back. */
export function registerSeatAdminRoutes(http: Http, store: SeatStore): void {
  http.get(
    '/v1/leases',
    {
      config: admin,
      schema: {
        operationId: 'listLeases',
        summary: 'Who holds what',
        tags,
        querystring: schemas.leasesQuery,
        response: { 200: schemas.leasesAnswer },
      },
    },
    ({ query }) => listLeases(store, query),
  );
  http.get(
    '/v1/leases.csv',
    {
      config: admin,
      schema: {
        operationId: 'leasesTable',
        summary: 'Who holds what, as a table',
        tags,
        querystring: schemas.leasesTableQuery,
        response: { 200: tableResponse },
      },
    },
    async ({ query }, reply) => {
      const rows = await allPages(async (cursor) => {
        const { leases, nextCursor } = await listLeases(store, { ...query, cursor, limit: mostOfPage });
        return { rows: leases, nextCursor };
      });
      return csvAnswer(reply, 'leases.csv', leasesTable(rows));
    },
  );

  http.get(
    '/v1/people',
    {
      config: admin,
      schema: {
        operationId: 'listPeople',
        summary: 'Who holds how many seats',
        tags,
        querystring: schemas.peopleQuery,
        response: { 200: schemas.peopleAnswer },
      },
    },
    ({ query }) => listPeople(store, query),
  );

  http.post(
    '/v1/leases/:leaseId([0-9a-fA-F-]+)::release',
    {
      config: { ...admin, refusals: { 404: ['LeaseUnknown'], 409: ['SeatBorrowed'] } },
      schema: {
        operationId: 'releaseLease',
        summary: 'Take a seat back',
        tags,
        params: leaseParams,
        body: schemas.reasonBody,
        response: { 204: nothing },
      },
    },
    async ({ params }, reply) => {
      const leaseId = readLeaseId(params.leaseId);
      const until = await store.borrowed.until(leaseId);
      if (until !== undefined) {
        const detail = `the seat was taken along until ${until.toISOString()}, and its holder cannot be told; have it given back there, or write it off`;
        throw new ProblemError({ status: 409, reason: 'SeatBorrowed', detail });
      }
      const held = await store.release(leaseId, 'admin');
      if (!held) {
        throw new ProblemError({ status: 404, reason: 'LeaseUnknown', detail: 'there is no such lease (any more)' });
      }
      return reply.code(204).send(null);
    },
  );

  http.post(
    '/v1/leases/:leaseId([0-9a-fA-F-]+)::writeOff',
    {
      config: { ...admin, refusals: { 404: ['LeaseUnknown'] } },
      schema: {
        operationId: 'writeOffLease',
        summary: 'Write a borrowed seat off: it counts as lost until its end',
        tags,
        params: leaseParams,
        body: schemas.reasonBody,
        response: { 200: schemas.writeOffAnswer },
      },
    },
    async ({ params }) => {
      const until = await store.borrowed.writeOff(readLeaseId(params.leaseId));
      if (until === undefined) {
        const detail = 'there is no such borrowed seat (any more)';
        throw new ProblemError({ status: 404, reason: 'LeaseUnknown', detail });
      }
      return { countsUntil: until.toISOString() };
    },
  );

  http.post(
    '/v1/stale::release',
    {
      config: admin,
      schema: {
        operationId: 'releaseStale',
        summary: 'Take all stale seats back, in place',
        tags,
        body: schemas.releaseStaleBody,
        response: { 200: schemas.releaseStaleAnswer },
      },
    },
    async ({ body }) => {
      const cleared = await store.releaseStale(body.product, 'admin');
      await store.count();
      return cleared;
    },
  );

  http.get(
    '/v1/bases',
    {
      config: admin,
      schema: {
        operationId: 'listBases',
        summary: 'Bases whose name an instance owns, or that two have come under',
        tags,
        querystring: schemas.basesQuery,
        response: { 200: schemas.basesAnswer },
      },
    },
    async ({ query }) => {
      const { bases, last } = await store.owners.list(fold(query.after ?? ''), query.limit);
      return { bases, ...(last === undefined ? {} : { nextAfter: last }) };
    },
  );

  http.post(
    '/v1/bases/:base(^[^:/]+)::adopt',
    {
      config: { ...admin, refusals: { 404: ['BaseUnknown'], 409: ['InstanceUnknown'] } },
      schema: {
        operationId: 'adoptBase',
        summary: 'Give the name of a base to another instance',
        tags,
        params: baseParams,
        body: schemas.adoptBody,
        response: { 200: schemas.adoptAnswer },
      },
    },
    async ({ params: { base }, body }) => {
      const { known, instance } = await store.owners.adopt(fold(base), instanceOf(body.instance));
      if (!known) {
        const detail = `no base of the name ${base} has ever come here; see GET /v1/bases`;
        throw new ProblemError({ status: 404, reason: 'BaseUnknown', detail });
      }
      if (instance === undefined) {
        const detail = `no other instance has asked for the name ${base}; say which one is to have it`;
        throw new ProblemError({ status: 409, reason: 'InstanceUnknown', detail });
      }
      return { base, instance };
    },
  );

  http.get(
    '/v1/products',
    {
      config: admin,
      schema: {
        operationId: 'listProducts',
        summary: 'Counts of every product',
        tags,
        response: { 200: schemas.productsAnswer },
      },
    },
    async () => ({
      products: (await productStatuses(store)).map(({ counts, ...status }) => {
        const info = store.pool(status.product);
        return {
          ...status,
          seatsAvailable: Math.max(0, status.seatLimit - status.seatsInUse),
          queueLength: counts.waiting,
          reservations: (info?.reservations ?? []).map((r, i) => ({
            name: r.name,
            seats: counts.reserved?.[i] ?? 0,
            inUse: counts.reserved_used?.[i] ?? 0,
          })),
          features: [...(info?.entitlement.features ?? [])],
          ...(info?.entitlement.trial ? { trial: true } : {}),
          countBy: info?.entitlement.countBy ?? 'session',
          weights: { ...info?.entitlement.weights },
          ...(info?.entitlement.borrow === undefined ? {} : { borrow: info.entitlement.borrow }),
          seatsBorrowed: counts.borrowed,
          seatsLost: counts.lost,
          overdraftSeats: counts.overdraft,
          seatsOverdrawn: overdrawn(counts),
          ...(info?.entitlement.reassignAfterDays === undefined
            ? {}
            : { reassignAfterDays: info.entitlement.reassignAfterDays, seatsAssigned: counts.assigned }),
          rules: (info?.rules ?? []).flatMap(({ name, max }) =>
            max === undefined ? [] : [{ name, max, inUse: counts.tallies[name] ?? 0 }],
          ),
          supportPolicy: info?.entitlement.supportPolicy ?? 'warn',
        };
      }),
    }),
  );

  http.get(
    '/v1/denials',
    {
      config: admin,
      schema: {
        operationId: 'listDenials',
        summary: 'Refused check-outs',
        tags,
        querystring: schemas.denialsQuery,
        response: { 200: schemas.denialsAnswer },
      },
    },
    ({ query }) => listDenials(store, spanned(query)),
  );
  http.get(
    '/v1/denials.csv',
    {
      config: admin,
      schema: {
        operationId: 'denialsTable',
        summary: 'Refused check-outs, as a table',
        tags,
        querystring: schemas.denialsTableQuery,
        response: { 200: tableResponse },
      },
    },
    async ({ query }, reply) => {
      const filter = spanned(query);
      const rows = await allPages(async (cursor) => {
        const { denials, nextCursor } = await listDenials(store, { ...filter, cursor, limit: mostOfPage });
        return { rows: denials, nextCursor };
      });
      return csvAnswer(reply, 'denials.csv', denialsTable(rows));
    },
  );
}

/** With the ends of its time in ms. */
const spanned = <T extends { readonly from?: string | undefined; readonly to?: string | undefined }>({
  from,
  to,
  ...filter
}: T) => ({
  ...filter,
  fromMs: from === undefined ? undefined : momentAt(from, 'from'),
  toMs: to === undefined ? undefined : momentAt(to, 'to'),
});

const mostOfPage = 1_000;
const mostOfTable = 50_000;

async function allPages<T>(
  page: (cursor: string | undefined) => Promise<{ rows: readonly T[]; nextCursor: string | undefined }>,
): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | undefined;
  do {
    const { rows, nextCursor } = await page(cursor);
    all.push(...rows);
    cursor = nextCursor;
  } while (cursor !== undefined && all.length < mostOfTable);
  return all;
}

type Lease = Awaited<ReturnType<typeof listLeases>>['leases'][number];
const leasesTable = (leases: readonly Lease[]): string =>
  csvTable(
    [
      ...['product', 'base', 'user', 'host', 'session', 'mode', 'state', 'acquiredAt', 'renewedAt', 'expiresAt'],
      ...['leaseId', 'feature', 'seats', 'writtenOff', 'idleSince'],
    ],
    leases.map(({ holder: h, ...l }) => [
      ...[l.product, h.base, h.user, h.host, h.session, l.mode, l.state],
      ...[l.acquiredAt, l.renewedAt, l.expiresAt, l.leaseId, l.feature, l.seats ?? 1, l.writtenOff, l.idleSince],
    ]),
  );

type Denial = Awaited<ReturnType<typeof listDenials>>['denials'][number];
const denialsTable = (denials: readonly Denial[]): string =>
  csvTable(
    ['product', 'base', 'user', 'host', 'session', 'reason', 'firstAt', 'lastAt', 'attempts', 'unmet', 'servedAt'],
    denials.map(({ holder: h, ...d }) => [
      ...[d.product, h.base, h.user, h.host, h.session, d.reason],
      ...[d.firstAt, d.lastAt, d.attempts, d.unmet, d.servedAt],
    ]),
  );
