import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sleep, systemClock } from '../clock.ts';
import { socketPlace } from './dataDirectory.ts';
import { processesIn, tell } from './processes.ts';
import type { Account } from './programs.ts';

/**
 * Data on their way: they are made beside those in use, and renamed when they are whole. Each draft has a name of its own: what a killed
 * server has left may go on writing for a moment (initdb's own children are nobody's then), and has to find nothing of the next start.
 */

const pattern = /^\d+\.draft/;
const patienceMs = 2_000;

/** A new empty one, for the account alone. */
export function makeDraft(root: string, major: number, account: Account | undefined): string {
  const draft = mkdtempSync(join(root, `${major}.draft-`));
  if (account) chownSync(draft, account.uid, account.gid);
  return draft;
}

/** Ends what still works in drafts of earlier starts, and removes them. What cannot be removed yet is nobody's, and is left to the next start. */
export async function clearDrafts(root: string, socketBase: string | undefined, signal: AbortSignal): Promise<void> {
  for (const name of readdirSync(root).filter((name) => pattern.test(name))) {
    const draft = join(root, name);
    const startedAt = performance.now();
    for (;;) {
      const left = processesIn(draft);
      if (left.length === 0 || performance.now() - startedAt > patienceMs) break;
      for (const pid of left) tell(pid, 'SIGKILL');
      await sleep(systemClock, 10, signal);
    }
    try {
      rmSync(draft, { recursive: true, force: true, maxRetries: 3 });
      rmSync(socketPlace(socketBase, draft), { recursive: true, force: true });
    } catch {
      // somebody is still writing into it
    }
  }
}
