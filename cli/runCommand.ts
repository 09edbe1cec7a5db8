import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import {
  type LicenceClient,
  LicenceRefused,
  type Seat,
  type SeatEvents,
  type SeatRequest,
} from '../client/licenceClient.ts';

import { holdBorrowed } from './borrowed.ts';

/** What `licence run` needs to hold a seat while a command runs. */
export interface RunRequest {
  readonly seat: SeatRequest;
  readonly command: readonly [string, ...string[]];
  /** How long to stand in the queue when all seats are taken, in seconds; 0 asks once. */
  readonly waitSeconds: number;
  /** Takes the seat along for so many hours, and leaves it there; absent: it is held while the command runs. */
  readonly borrowHours?: number;
  /** What happens when the seat is lost while the command runs: end it, or only say so. */
  readonly whenLost: 'stop' | 'warn';
  /** Starts the command; absent: as a process with this one's input and output. */
  readonly start?: (file: string, args: readonly string[]) => Pick<ChildProcess, 'kill' | 'on'>;
}

const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

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
  let child: Pick<ChildProcess, 'kill' | 'on'> | undefined;
  let lost = false;
  const events: SeatEvents = {
    onTrouble: (error) => say(`the licence server does not answer (${messageOf(error)}); still trying`),
    onLost: (error) => {
      say(`the seat was lost: ${error.message}`);
      lost = request.whenLost === 'stop';
      if (lost) child?.kill('SIGTERM');
    },
  };
  let seat: Seat;
  try {
    seat =
      request.borrowHours === undefined
        ? await holdWithin(client, request, events, say)
        : await holdBorrowed(client, request.seat, request.borrowHours, events, say);
  } catch (error) {
    if (!(error instanceof LicenceRefused) || error.status >= 500) {
      say(`cannot reach the licence server: ${messageOf(error)}`);
      return runStatus.unreachable;
    }
    say(`no seat of "${request.seat.product}": ${refusalText(error)}`);
    return runStatus.noSeat;
  }
  if (seat.grant.support.state === 'expired') {
    say(`support for "${request.seat.product}" ended on ${seat.grant.support.until}; ask for an extension`);
  }
  const forward = (signal: NodeJS.Signals) => {
    if (signal === 'SIGINT' && process.stdin.isTTY) return; // the terminal gave it to the command as well
    child?.kill(signal);
  };
  try {
    const [file, ...args] = request.command;
    const status = await new Promise<number>((resolve) => {
      for (const signal of forwarded) process.on(signal, forward);
      child = (request.start ?? spawnBeside)(file, args);
      child.on('error', (error) => {
        say(`cannot run ${file}: ${error.message}`);
        resolve(runStatus.notFound);
      });
      child.on('exit', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    });
    return lost ? runStatus.lost : status;
  } finally {
    await seat.release().catch((error) => say(`the seat will expire by itself: ${messageOf(error)}`));
    for (const signal of forwarded) process.off(signal, forward);
  }
}

/** What a person at a command line can do about it; the server's own words are for programs. */
function refusalText({ reason, message, retryAfterSeconds }: LicenceRefused): string {
  const said =
    reason === 'SeatsExhausted' || reason === 'SeatsReserved'
      ? `${reason === 'SeatsReserved' ? 'the free ones are kept for others' : 'all are taken'}; try again in ${retryAfterSeconds ?? 30} s, or wait with --wait`
      : reason === 'TokenInvalid' || reason === 'RoleInsufficient'
        ? 'the server does not accept the token; name a client token with --token-file or LICENCE_TOKEN'
        : message;
  return `${said} (${reason})`;
}

const spawnBeside = (file: string, args: readonly string[]): ChildProcess => spawn(file, args, { stdio: 'inherit' });

const messageOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
};

/** The server answers 60 s of waiting at most; a longer wait is several, one after another, and keeps its place in the queue. */
async function holdWithin(
  client: LicenceClient,
  { seat, waitSeconds }: RunRequest,
  events: SeatEvents,
  say: (line: string) => void,
): Promise<Seat> {
  const until = performance.now() + waitSeconds * 1_000; // the time of the day may be set meanwhile
  const leftSeconds = () => Math.ceil((until - performance.now()) / 1_000);
  try {
    return await client.hold(seat, events);
  } catch (error) {
    if (!isExhausted(error) || waitSeconds === 0) throw error;
    say(`no seat of "${seat.product}" is free for you; waiting up to ${waitSeconds} s`);
  }
  for (;;) {
    try {
      return await client.hold(seat, events, Math.max(Math.min(leftSeconds(), longestWaitSeconds), 1));
    } catch (error) {
      if (!isExhausted(error) || leftSeconds() <= 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1_000)); // a server that is stopping answers at once
    }
  }
}

const longestWaitSeconds = 60;
const isExhausted = (error: unknown): error is LicenceRefused =>
  error instanceof LicenceRefused && (error.reason === 'SeatsExhausted' || error.reason === 'SeatsReserved');
