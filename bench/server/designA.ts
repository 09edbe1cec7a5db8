import { randomUUID } from 'node:crypto';
import fastify from 'fastify';
import pg from 'pg';

/**
 * Design A, the yardstick: a plain transaction a request, the pool's row locked with SELECT … FOR UPDATE, the same tables.
 * No access check, no validation, no metrics, no event rows.
 */
const leaseMs = 3_600_000;
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const http = fastify({ logger: false });
const json = 'application/json; charset=utf-8';

async function transaction<T>(work: (c: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    client.release();
    return result;
  } catch (error) {
    client.release(true);
    throw error;
  }
}

interface CheckOut {
  readonly product: string;
  readonly holder: { readonly base: string; readonly user: string; readonly host: string; readonly session: string };
}
const lockPool =
  'SELECT pool_id, seat_limit, in_use, next_expiry <= now() AS due FROM pool WHERE product = $1 FOR UPDATE';

http.post<{ Body: CheckOut }>('/v1/checkouts', (request, reply) =>
  transaction(async (c) => {
    const { product, holder: h } = request.body;
    const holder = [h.base, h.user, h.host, h.session].join('\u001f');
    const row = (await c.query({ name: 'p', text: lockPool, values: [product] })).rows[0];
    const renewed = await c.query({
      name: 'u',
      text: "UPDATE lease SET renewed_at = now(), expires_at = now() + $3 * interval '1 ms' WHERE pool_id = $1 AND holder = $2 RETURNING lease_id",
      values: [row.pool_id, holder, leaseMs],
    });
    if (renewed.rowCount)
      return { status: 200, leaseId: renewed.rows[0].lease_id, inUse: row.in_use, limit: row.seat_limit };
    if (row.in_use >= row.seat_limit) return { status: 409, leaseId: '', inUse: row.in_use, limit: row.seat_limit };
    const leaseId = randomUUID();
    await c.query({
      name: 'i',
      text: "INSERT INTO lease (pool_id, kind, lease_id, acquired_at, renewed_at, expires_at, holder) VALUES ($1, 0, $2, now(), now(), now() + $4 * interval '1 ms', $3)",
      values: [row.pool_id, leaseId, holder, leaseMs],
    });
    await c.query({ name: 'c', text: 'UPDATE pool SET in_use = in_use + 1 WHERE pool_id = $1', values: [row.pool_id] });
    return { status: 201, leaseId, inUse: row.in_use + 1, limit: row.seat_limit };
  }).then((r) =>
    reply
      .code(r.status)
      .header('content-type', json)
      .send(
        `{"leaseId":"${r.leaseId}","expiresAt":"${new Date(Date.now() + leaseMs).toISOString()}","seats":{"limit":${r.limit},"inUse":${r.inUse}}}`,
      ),
  ),
);
http.post<{ Params: { id: string } }>('/v1/leases/:id/heartbeat', (request, reply) =>
  pool
    .query({
      name: 'hb',
      text: "UPDATE lease SET renewed_at = now(), expires_at = now() + $2 * interval '1 ms' WHERE lease_id = $1 RETURNING expires_at",
      values: [request.params.id, leaseMs],
    })
    .then((r) =>
      r.rowCount
        ? reply.header('content-type', json).send(`{"expiresAt":"${r.rows[0].expires_at.toISOString()}"}`)
        : reply.code(410).send(),
    ),
);
http.delete<{ Params: { id: string } }>('/v1/leases/:id', (request, reply) =>
  transaction(async (c) => {
    await c.query({ name: 'p', text: lockPool, values: ['erp'] });
    const gone = await c.query({
      name: 'd',
      text: 'DELETE FROM lease WHERE lease_id = $1 RETURNING pool_id',
      values: [request.params.id],
    });
    if (gone.rowCount) {
      await c.query({
        name: 'm',
        text: 'UPDATE pool SET in_use = in_use - 1 WHERE pool_id = $1',
        values: [gone.rows[0].pool_id],
      });
    }
  }).then(() => reply.code(204).send()),
);
process.stdout.write(`${await http.listen({ host: '127.0.0.1', port: 0 })}\n`);
