import { readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import type pg from 'pg';

/** As of `nice`: a tenth of the processor that another one gets, and all that nobody wants. */
const niceness = 10;

/** Everything else comes before a process of this machine, of this user. Elsewhere, and where that may not be, it stays as it was. */
export function lowerPriority(pid: number): void {
  try {
    if (getPriority(pid) < niceness) setPriority(pid, niceness);
  } catch {
    // it has ended, or is another's
  }
}

/** Everything else comes before this thread. On Linux one has a priority of its own; elsewhere it has that of the process. */
export function yieldToOthers(): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    if (thread > 0) lowerPriority(thread);
  } catch {
    // not Linux
  }
}

/** Everything else comes before the statements of this session; its database runs beside this program. */
export async function lowerPriorityOf(session: Pick<pg.ClientBase, 'query'>): Promise<void> {
  const { rows } = await session.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  if (rows[0] !== undefined) lowerPriority(rows[0].pid);
}
