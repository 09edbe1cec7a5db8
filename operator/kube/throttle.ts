import { type Clock, monotonicOf } from '../../runtime/clock.ts';

/** Bounds on what is sent to the API server, so that a fault of ours is no load on everybody. */
export interface ThrottleOptions {
  readonly clock: Clock;
  /** Requests at one time. */
  readonly maxConcurrent: number;
  /** Requests per second on average; 0: unbounded. */
  readonly qps: number;
  /** Requests at once after a pause. */
  readonly burst: number;
}

/** A token bucket and a semaphore in one line, first come first served. */
export class Throttle {
  readonly #options: ThrottleOptions;
  readonly #line: (() => void)[] = [];
  #running = 0;
  #tokens: number;
  #filledAt: number;
  #timer: (() => void) | undefined;

  constructor(options: ThrottleOptions) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#filledAt = monotonicOf(options.clock);
  }

  /** Waits for a place; the answer gives it back. Rejects with the signal's reason when it aborts first. */
  enter(signal?: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const start = () => {
        signal?.removeEventListener('abort', onAbort);
        let left = false;
        resolve(() => {
          if (left) return;
          left = true;
          this.#running--;
          this.#serve();
        });
      };
      const onAbort = () => {
        const place = this.#line.indexOf(start);
        if (place >= 0) this.#line.splice(place, 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#line.push(start);
      this.#serve();
    });
  }

  #serve(): void {
    const { clock, maxConcurrent, qps } = this.#options;
    this.#fill();
    while (this.#line.length > 0 && this.#running < maxConcurrent && (qps === 0 || this.#tokens >= 1)) {
      this.#tokens--;
      this.#running++;
      this.#line.shift()?.();
    }
    if (qps === 0 || this.#line.length === 0 || this.#running >= maxConcurrent || this.#timer !== undefined) return;
    this.#timer = clock.after(Math.ceil(((1 - this.#tokens) / qps) * 1000), () => {
      this.#timer = undefined;
      this.#serve();
    });
  }

  #fill(): void {
    const now = monotonicOf(this.#options.clock);
    const { qps, burst } = this.#options;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) / 1000) * qps);
    this.#filledAt = now;
  }
}
