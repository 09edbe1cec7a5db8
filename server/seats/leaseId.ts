import { randomBytes } from 'node:crypto';

/**
 * A lease's id: a UUID of version 7, whose 12 free bits carry the number of the pool, so that a release finds its pool
 * without asking, on any replica. 62 bits are random.
 */
let random = '';
let used = 0;

function randomHex(length: number): string {
  if (used + length > random.length) {
    random = randomBytes(8_192).toString('hex');
    used = 0;
  }
  used += length;
  return random.slice(used - length, used);
}

const variants = ['8', '9', 'a', 'b'];

/** `poolId` is from 1 to 4095. */
export function newLeaseId(poolId: number): string {
  const time = Date.now().toString(16).padStart(12, '0');
  const tail = randomHex(16);
  const variant = variants[Number.parseInt(tail[0] ?? '0', 16) & 3] ?? '8';
  const pool = poolId.toString(16).padStart(3, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${pool}-${variant}${tail.slice(1, 4)}-${tail.slice(4)}`;
}

const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-7([0-9a-f]{3})-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export const isLeaseId = (text: unknown): text is string => typeof text === 'string' && shape.test(text);

/** The number of the pool that a well-formed id names. */
export const poolOf = (leaseId: string): number => Number.parseInt(leaseId.slice(15, 18), 16);
