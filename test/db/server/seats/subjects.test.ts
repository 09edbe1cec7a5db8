import { expect, it } from 'vitest';
import { newLeaseId } from '../../../../server/seats/leaseId.ts';
import { seatBatch } from '../../../../server/seats/seatSql.ts';
import { useLedger } from '../support/ledgerDatabase.ts';

/** A seat follows its holder from pod to pod, on each of the ledger's three ways to a renewal. */
const client = useLedger();

it.each([
  ['roomy', "('roomy', 10, NULL)"],
  ['full', "('full', 1, NULL)"],
  ['reserved', "('reserved', 10, '{1}')"],
])('a renewed check-out of a %s pool binds the seat to its present pod', async (product, row) => {
  const { rows } = await client().query(
    `INSERT INTO pool (product, seat_limit, reserved) VALUES ${row} RETURNING pool_id`,
  );
  const poolId: number = rows[0].pool_id;
  const holder = 'b\u001fanna\u001fpc\u001f';
  const checkOut = async (subject: string | undefined) => {
    const claim = { holder, leaseId: newLeaseId(poolId), mode: 'leased', slot: 0, queueMs: 0, subject } as const;
    const { codes } = await seatBatch(client(), poolId, 60_000, [claim], []);
    const found = await client().query('SELECT subject FROM lease WHERE pool_id = $1', [poolId]);
    return [codes, found.rows[0]?.subject];
  };
  expect(await checkOut('pod-1')).toEqual(['G', 'pod-1']);
  expect(await checkOut('pod-2')).toEqual(['R', 'pod-2']);
  expect(await checkOut(undefined), `${product}: without a pod the last one stands`).toEqual(['R', 'pod-2']);
});
