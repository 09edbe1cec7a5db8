import { parentPort, workerData } from 'node:worker_threads';
import type { CountBy } from '../../../licence/words.ts';
import { yieldToOthers } from '../../../runtime/lowPriority.ts';
import { fitReservations } from '../fitReservations.ts';
import { keptSeats, type Weights } from '../recount.ts';
import type { Reservation } from '../reservations.ts';
import { compileRules, type Groups, type SeatRule } from '../seatRules.ts';
import { type Demand, Play, type Played } from './play.ts';
import type { Piece } from './readHistory.ts';
import type { Terms } from './world.ts';

/** What one side is played by, as it is handed to the thread. */
export interface SideTerms {
  readonly seatLimit: number;
  readonly overdraft: number;
  readonly countBy: CountBy;
  readonly weights: Weights;
  readonly reservations: readonly Reservation[];
  readonly rules: readonly SeatRule[];
}
export interface WorkerTask {
  readonly fromMs: number;
  readonly toMs: number;
  readonly today: SideTerms;
  readonly other: SideTerms;
  readonly groups: Groups;
}
export type ToWorker = Piece | { readonly kind: 'end' };
/** Each piece is answered once it is played: by how far it has come, at last by the result. */
export type FromWorker = { readonly atMs: number; readonly events: number } | { readonly played: Played };

const termsOf = ({ reservations, rules, ...side }: SideTerms, groups: Groups): Terms => {
  const kept = keptSeats(reservations, rules).map((k) => k.seats);
  return {
    ...side,
    reserved: fitReservations(side.seatLimit, kept),
    rulesOf: reservations.length === 0 && rules.length === 0 ? undefined : compileRules(reservations, rules, groups),
  };
};

yieldToOthers();
const { fromMs, toMs, today, other, groups } = workerData as WorkerTask;
const demands: Demand[] = [];
const seats: string[] = [];
let play: Play | undefined;
let events = 0;

/** Made with the first events: what comes before them is known by then. */
function playing(): Play {
  if (play !== undefined) return play;
  play = new Play(fromMs, termsOf(today, groups), termsOf(other, groups), demands);
  for (const holder of seats.splice(0)) play.seed(holder);
  return play;
}

function playLines(p: Play, startMs: number, text: string): void {
  for (let from = 0; from < text.length; ) {
    const newline = text.indexOf('\n', from);
    const to = newline < 0 ? text.length : newline;
    let ms = 0;
    let i = from;
    for (let c = text.charCodeAt(i); c >= 48 && c <= 57; c = text.charCodeAt(++i)) ms = ms * 10 + c - 48;
    const code = text[i];
    const holder = text.slice(i + 1, to);
    if (code === 'G' || code === 'O') p.came(holder, startMs + ms);
    else p.left(holder, startMs + ms);
    events += 1;
    from = to + 1;
  }
}

parentPort?.on('message', (piece: ToWorker) => {
  const answer = (message: FromWorker) => parentPort?.postMessage(message);
  if (piece.kind === 'end') {
    answer({ played: playing().finish(toMs) });
    return;
  }
  let atMs = fromMs;
  if (piece.kind === 'seats') seats.push(...piece.holders);
  else if (piece.kind === 'refusals') {
    for (const line of piece.lines) {
      const [at, until, served, holder = ''] = line.split('\u001e', 4);
      demands.push({ holder, at: fromMs + Number(at), until: fromMs + Number(until), served: served === '1' });
    }
  } else {
    const p = playing();
    for (const text of piece.texts) playLines(p, piece.fromMs, text);
    atMs = piece.toMs;
  }
  answer({ atMs, events });
});
