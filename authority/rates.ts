import { type Clock, monotonicOf } from '../runtime/clock.ts';
import { ProblemError } from '../runtime/problem.ts';
import { type Rate, RateLimit } from '../runtime/rateLimit.ts';

/** How often one may ask. Activations need no token, so they are counted by address; everything else by token. */
export interface Rates {
  /** Requests of one token. */
  readonly token: Rate;
  /** Activations, and checks of them, from one address. */
  readonly activation: Rate;
  /** Wrong tokens, unknown keys and false proofs from one address: slows down guessing. */
  readonly failure: Rate;
}
const whats = ['token', 'activation', 'failure'] as const;
export type Limited = (typeof whats)[number];

/** A rate by the minute; a quarter of it, at least `burst`, may come at once. */
export const perMinute = (n: number, burst = 10): Rate => ({ burst: Math.max(burst, n / 4), perSecond: n / 60 });

/** Counts a request; too many are refused with 429 and `Retry-After`. @throws ProblemError */
export type Count = (what: Limited, who: string) => void;

export function createCount(rates: Rates, clock: Clock, onLimited: (what: Limited) => void): Count {
  const limits = Object.fromEntries(whats.map((what) => [what, new RateLimit(rates[what])])) as Record<
    Limited,
    RateLimit
  >;
  return (what, who) => {
    const seconds = limits[what].take(who, monotonicOf(clock));
    if (seconds === 0) return;
    onLimited(what);
    throw new ProblemError({
      status: 429,
      reason: 'TooManyRequests',
      detail: `${said[what]}; try again in ${seconds} s`,
      retryAfterSeconds: seconds,
    });
  };
}

const said: Readonly<Record<Limited, string>> = {
  token: 'too many requests with this token',
  activation: 'too many activations from this address',
  failure: 'too many refused requests from this address',
};
