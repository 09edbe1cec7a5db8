import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import type { Http } from '../../../runtime/httpShell.ts';
import { ProblemError } from '../../../runtime/problem.ts';
import { csvAnswer, csvTable, tableResponse } from '../../csv.ts';
import type { PoolInfo } from '../pools.ts';
import { invalid } from '../requests.ts';
import type { SeatStore } from '../store.ts';
import { personOf } from './assignments.ts';
import * as schemas from './schemas.ts';

const admin = { role: 'admin' };
const tags = ['administration'];
const refusals = { 404: ['ProductNotNamed'], 409: ['AllSeatsAssigned', 'ReassignedTooEarly'] };

/** The routes of administrators about persons whose seats are: the list, changes of it, and both as a table. */
export function registerAssignmentRoutes(http: Http, store: SeatStore): void {
  const { assignments } = store;
  http.addContentTypeParser('text/csv', { parseAs: 'string' }, (_, body, done) => done(null, body));

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
      config: { ...admin, refusals },
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

  http.put(
    '/v1/assignments.csv',
    {
      config: { ...admin, refusals },
      bodyLimit: 16 * 1024 * 1024,
      schema: {
        operationId: 'replaceAssignments',
        summary: 'Makes a table the whole list of persons: all of it, or nothing',
        description:
          'Of the table, with a line of names or without, the column `user`, or else the first one, counts. Commas, semicolons and tabs part columns.',
        tags,
        consumes: ['text/csv'],
        querystring: schemas.replaceQuery,
        body: z.string().optional(),
        response: { 200: schemas.changed },
      },
    },
    ({ query: { product }, body }) => {
      if (typeof body !== 'string') throw invalid('the body must be a table, of the content type text/csv');
      return assignments.replace(namedPool(product), usersIn(body).map(personOf));
    },
  );
}

/**
 * The users of a table: the column `user` if there is a line of names, else the first column.
 * @throws ProblemError 400 with the line
 */
export function usersIn(table: string): string[] {
  let rows: string[][];
  try {
    rows = parse(table, {
      bom: true,
      delimiter: [',', ';', '\t'],
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
    });
  } catch (error) {
    throw invalid(`the body is no table: ${error instanceof Error ? error.message : String(error)}`);
  }
  const [first = []] = rows;
  const column = first.findIndex((name) => name.toLowerCase() === 'user');
  const lines = column < 0 ? rows : rows.slice(1);
  const users = lines.map((row) => (row[Math.max(column, 0)] ?? '').replace(/^'(?=[=+\-@])/, ''));
  const read = schemas.names.safeParse(users);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const line = Number(issue?.path[0] ?? 0) + (column < 0 ? 1 : 2);
  throw invalid(`line ${line} of the table: ${issue?.message}`);
}
