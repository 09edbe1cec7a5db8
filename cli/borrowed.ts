import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  type BorrowedGrant,
  type LicenceClient,
  LicenceRefused,
  type Seat,
  type SeatEvents,
  type SeatRequest,
} from '../client/licenceClient.ts';

/** Where a seat that was taken along is kept, one file a product and holder. */
export function borrowedFile({ product, holder }: SeatRequest, env: NodeJS.ProcessEnv = process.env): string {
  const { base, user, host, session = '' } = holder;
  const name = createHash('sha256')
    .update(JSON.stringify([product, base, user, host, session]))
    .digest('hex');
  const state = env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state');
  return join(state, 'softonit-licence', `borrowed-${name.slice(0, 16)}.json`);
}

/** The seat of a file while it lasts; undefined: there is none. */
function kept(file: string): BorrowedGrant | undefined {
  try {
    const grant = JSON.parse(readFileSync(file, 'utf8')) as BorrowedGrant;
    return Date.parse(grant.expiresAt) > Date.now() ? grant : undefined;
  } catch {
    return undefined;
  }
}

function keep(file: string, grant: BorrowedGrant): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, `${JSON.stringify(grant)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/**
 * Takes a seat along for so many hours; where the server cannot be reached, or has no more to lend, the one that was taken along before does
 * while it lasts. It is not given back when the command ends.
 */
export async function holdBorrowed(
  client: LicenceClient,
  request: SeatRequest,
  hours: number,
  events: SeatEvents,
  say: (line: string) => void,
): Promise<Seat> {
  const file = borrowedFile(request);
  let grant: BorrowedGrant;
  try {
    grant = await client.borrow(request, hours);
    keep(file, grant);
  } catch (error) {
    const before = kept(file);
    if (before === undefined || (error instanceof LicenceRefused && error.status === 400)) throw error;
    grant = before;
    say(`the seat that was taken along before is used: ${error instanceof Error ? error.message : String(error)}`);
  }
  say(`a seat of "${request.product}" is taken along until ${grant.expiresAt}`);
  const leftMs = () => Date.parse(grant.expiresAt) - Date.now();
  let timer: NodeJS.Timeout;
  const watch = () => {
    if (leftMs() > 0) {
      timer = setTimeout(watch, Math.min(leftMs() + 1, 86_400_000)).unref();
      return;
    }
    events.onLost?.(new LicenceRefused(410, 'LeaseLost', 'its time is over', undefined));
  };
  watch();
  return {
    grant,
    setIdle: () => {}, // what was taken along is nobody else's before its end
    release: async () => clearTimeout(timer),
  };
}

/** Gives a seat that was taken along back before its time; answers whether there was one. */
export async function giveBackBorrowed(client: LicenceClient, request: SeatRequest): Promise<boolean> {
  const file = borrowedFile(request);
  const grant = kept(file);
  if (grant !== undefined) await client.release(grant.leaseId, request.instance);
  rmSync(file, { force: true });
  return grant !== undefined;
}
