/** Delays that double from `baseMs` to `maxMs`, each drawn from its upper half so that many waiters spread out. */
export interface BackOffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
  /** In [0, 1); default Math.random. */
  readonly random?: () => number;
}

export class BackOff {
  readonly #options: BackOffOptions;
  #failures = 0;

  constructor(options: BackOffOptions) {
    this.#options = options;
  }

  /** The next delay in ms. */
  next(): number {
    const { baseMs, maxMs, random = Math.random } = this.#options;
    const full = exponentialMs(baseMs, maxMs, this.#failures++);
    return full / 2 + (random() * full) / 2;
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** `baseMs * 2^failures`, at most `maxMs`; any number of failures. */
export const exponentialMs = (baseMs: number, maxMs: number, failures: number): number =>
  failures > 60 ? maxMs : Math.min(maxMs, baseMs * 2 ** failures);
