import { type KeyFault, passingFaults } from '../../licence/keyFaults.ts';

const passing = { firstMs: 2_000, maxMs: 10 * 60_000 };
/** A refusal seldom changes by itself; support may lift it at the other end. */
const final = { firstMs: 10 * 60_000, maxMs: 6 * 3_600_000 };

/** How long to wait after the n-th failure in a row (from 1), in ms; `jitter` is from 0 to 1. */
export function backOffMs(fault: KeyFault, failures: number, jitter: number): number {
  const { firstMs, maxMs } = passingFaults.includes(fault.reason) ? passing : final;
  return Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 20)) * (0.75 + jitter / 4);
}
