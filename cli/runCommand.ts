import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { type LicenceClient, LicenceRefused, type Seat, type SeatRequest } from '../client/licenceClient.ts';

/** What `licence run` needs to hold a seat while a command runs. */
export interface RunRequest {
  readonly seat: SeatRequest;
  readonly command: readonly [string, ...string[]];
  /** How long to keep asking for a seat when all are taken, in seconds; 0 asks once. */
  readonly waitSeconds: number;
  /** What happens when the seat is lost while the command runs: end it, or only say so. */
  readonly whenLost: 'stop' | 'warn';
}

/** Exit statuses of its own, in the range that shells leave free; else the command's own status. */
export const runStatus = { noSeat: 69, unreachable: 70, lost: 71, notFound: 127 } as const;

/**
 * Takes a seat, runs the command with its output untouched, gives the seat back when it ends.
 * @returns the command's exit status, 128 + the signal's number if one ended it, or one of `runStatus`
 */
export async function runCommand(
  client: LicenceClient,
  request: RunRequest,
  say: (line: string) => void,
): Promise<number> {
  let child: ReturnType<typeof spawn> | undefined;
  let lost = false;
  const events = {
    onTrouble: (error: unknown) => say(`the licence server does not answer (${messageOf(error)}); still trying`),
    onLost: (error: LicenceRefused) => {
      say(`the seat was lost: ${error.message}`);
      lost = request.whenLost === 'stop';
      if (lost) child?.kill('SIGTERM');
    },
  };
  let seat: Seat;
  try {
    seat = await holdWithin(request.waitSeconds, () => client.hold(request.seat, events), say);
  } catch (error) {
    if (!(error instanceof LicenceRefused)) {
      say(`cannot reach the licence server: ${messageOf(error)}`);
      return runStatus.unreachable;
    }
    say(`no seat for "${request.seat.product}": ${error.message} (${error.reason})`);
    return runStatus.noSeat;
  }
  if (seat.grant.support.state === 'expired') {
    say(`support for "${request.seat.product}" ended on ${seat.grant.support.until}; ask for an extension`);
  }
  const forward = (signal: NodeJS.Signals) => child?.kill(signal);
  try {
    const [file, ...args] = request.command;
    const status = await new Promise<number>((resolve) => {
      child = spawn(file, args, { stdio: 'inherit' });
      process.on('SIGINT', forward).on('SIGTERM', forward);
      child.on('error', (error) => {
        say(`cannot run ${file}: ${error.message}`);
        resolve(runStatus.notFound);
      });
      child.on('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    });
    return lost ? runStatus.lost : status;
  } finally {
    process.off('SIGINT', forward).off('SIGTERM', forward);
    await seat.release().catch((error) => say(`the seat will expire by itself: ${messageOf(error)}`));
  }
}

const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
};

/** Asks again after the server's own `Retry-After` until a seat is free or the time is over. */
async function holdWithin(waitSeconds: number, hold: () => Promise<Seat>, say: (line: string) => void): Promise<Seat> {
  const until = Date.now() + waitSeconds * 1_000;
  for (let told = false; ; told = true) {
    try {
      return await hold();
    } catch (error) {
      const again = error instanceof LicenceRefused && error.reason === 'SeatsExhausted' && Date.now() < until;
      if (!again) throw error;
      if (!told) say(`${error.message}; waiting up to ${waitSeconds} s`);
      const pauseMs = Math.min((error.retryAfterSeconds ?? 5) * 1_000, Math.max(until - Date.now(), 0));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
