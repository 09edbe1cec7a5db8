import type { Http } from '../../../runtime/httpShell.ts';
import { ProblemError } from '../../../runtime/problem.ts';
import { csvAnswer, csvTable, tableResponse } from '../../csv.ts';
import type { PoolInfo } from '../pools.ts';
import { invalid } from '../requests.ts';
import type { SeatStore } from '../store.ts';
import { personOf } from './assignments.ts';
import * as schemas from './schemas.ts';
import { usersIn } from './usersIn.ts';

const admin = { role: 'admin' };
const tags = ['administration'];

/** The routes of administrators about persons whose seats are: the list, changes of it, and both as a table. */
export function registerAssignmentRoutes(http: Http, store: SeatStore): void {
  const { assignments } = store;
  const namedPools = () => store.pools().filter((p) => p.entitlement.reassignAfterDays !== undefined);
  const namedPool = (product: string): PoolInfo => {
    const pool = namedPools().find((p) => p.product === product);
    if (pool !== undefined) return pool;
    const detail = `no active key of ${product} is for named users: whoever comes first has a seat; see GET /v1/products`;
    throw new ProblemError({ status: 404, reason: 'ProductNotNamed', detail });
  };

  http.get(
    '/v1/assignments',
    {
      config: { ...admin, refusals: { 404: ['ProductNotNamed'] } },
      schema: {
        operationId: 'listAssignments',
        summary: 'Whose the seats of products for named users are',
        tags,
        querystring: schemas.assignmentsQuery,
        response: { 200: schemas.assignmentsAnswer },
      },
    },
    async ({ query }) => {
      const pools = query.product === undefined ? namedPools() : [namedPool(query.product)];
      const products = await Promise.all(
        pools.map(async (pool) => ({
          product: pool.product,
          seatLimit: pool.entitlement.seatLimit,
          reassignAfterDays: pool.entitlement.reassignAfterDays ?? 0,
          assignments: await assignments.list(pool),
        })),
      );
      return { products };
    },
  );

  http.post(
    '/v1/assignments::change',
    {
      config: { ...admin, refusals: { 404: ['ProductNotNamed'], 409: ['AllSeatsAssigned', 'ReassignedTooEarly'] } },
      bodyLimit: 16 * 1024 * 1024,
      schema: {
        operationId: 'changeAssignments',
        summary: 'Assign, move or take away seats of named users: all of it, or nothing',
        tags,
        body: schemas.changeBody,
        response: { 200: schemas.changed },
      },
    },
    ({ body: { product, assign = [], remove = [], table } }) => {
      const pool = namedPool(product);
      if (table === undefined)
        return assignments.change(pool, () => ({ assign: assign.map(personOf), remove: remove.map(personOf) }));
      if (assign.length + remove.length > 0)
        throw invalid('table: is the whole list; name nobody by assign and remove beside it');
      return assignments.replace(pool, usersIn(table).map(personOf));
    },
  );

  http.get(
    '/v1/assignments.csv',
    {
      config: { ...admin, refusals: { 404: ['ProductNotNamed'] } },
      schema: {
        operationId: 'assignmentsTable',
        summary: 'Whose the seats of a product for named users are, as a table',
        tags,
        querystring: schemas.tableQuery,
        response: { 200: tableResponse },
      },
    },
    async ({ query: { product } }, reply) => {
      const rows = await assignments.list(namedPool(product));
      const table = csvTable(
        ['user', 'assignedAt', 'reassignableFrom', 'lastUsedAt', 'inUse'],
        rows.map((a) => [a.user, a.assignedAt, a.reassignableFrom, a.lastUsedAt, a.inUse]),
      );
      return csvAnswer(reply, 'assignments.csv', table);
    },
  );
}
