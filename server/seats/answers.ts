import type { FastifyReply } from 'fastify';
import type { DenialReason } from '../../licence/words.ts';

/** Answers of the routes that are called all the time, written by hand: a general serializer costs more. */
const json = 'application/json; charset=utf-8';
const problemJson = 'application/problem+json';

export function sendJson(reply: FastifyReply, status: number, body: string): void {
  reply.code(status).header('content-type', json).send(body);
}

/** RFC 3339, of whole ms. The last one is kept, since a batch shares its time; and the second of it, since most of the others share that. */
let lastMs = Number.NaN;
let lastText = '';
let lastSecond = Number.NaN;
let secondText = '';
export function momentOf(ms: number): string {
  if (ms === lastMs) return lastText;
  lastMs = ms;
  const second = Math.floor(ms / 1_000);
  if (second !== lastSecond) {
    lastSecond = second;
    secondText = new Date(second * 1_000).toISOString().slice(0, -4);
  }
  const rest = ms - second * 1_000;
  lastText = `${secondText}${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}Z`;
  return lastText;
}

/**
 * When the next heartbeat is due, in whole seconds: about a third of the lease time, each time a little different, so that
 * clients that started together drift apart.
 */
export const heartbeatAfter = (leaseMs: number): number => {
  const third = leaseMs / 3_000;
  return Math.max(1, Math.floor(third * (0.8 + 0.2 * Math.random())));
};

/** Of a lease that was renewed at a time, by the database. */
export const renewedAnswer = (nowMs: number, leaseMs: number): string =>
  `{"expiresAt":"${momentOf(nowMs + leaseMs)}","heartbeatAfterSeconds":${heartbeatAfter(leaseMs)}}`;

/** A refusal of the ledger: 409 with what a program needs to decide. */
export function sendDenied(
  reply: FastifyReply,
  reason: DenialReason,
  detail: string,
  more: {
    readonly inUse?: number;
    readonly seatLimit?: number;
    /** Free seats that are kept for reservations. */
    readonly reserved?: number;
    readonly place?: number | undefined;
    /** Which rule refused. */
    readonly rule?: string | undefined;
  },
  retryAfterSeconds?: number,
): void {
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
  const seats =
    more.seatLimit === undefined
      ? ''
      : `,"seats":{"limit":${more.seatLimit},"inUse":${more.inUse}${more.reserved ? `,"reserved":${more.reserved}` : ''}}`;
  const rule = more.rule === undefined ? '' : `,"rule":"${more.rule}"`;
  const queue = more.place === undefined ? '' : `,"queue":{"position":${more.place}}`;
  reply
    .code(409)
    .header('content-type', problemJson)
    .send(
      `{"type":"about:blank","title":"${reason}","status":409,"reason":"${reason}","detail":${JSON.stringify(detail)}${seats}${queue}${rule}}`,
    );
}
