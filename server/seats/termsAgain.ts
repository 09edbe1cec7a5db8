/** Reading takes a moment; a folder that hangs keeps nobody waiting for longer. */
const patienceMs = 2_000;
/** Whoever is refused in a loop reads no more often. */
const pauseMs = 1_000;

/**
 * What the licences grant is read every few seconds, and another server of the same database, or a person, may have installed a key since.
 * Before somebody is refused for it, it is read once more.
 */
export class TermsAgain {
  #read: () => Promise<void> = () => Promise.resolve();
  #last: Promise<void> = Promise.resolve();
  #readAt = Number.NEGATIVE_INFINITY;

  /** Who can read them. */
  setReader(read: () => Promise<void>): void {
    this.#read = read;
  }

  /** Done when they were read after the call or within the second before it; never fails: what is known then counts. */
  done(): Promise<void> {
    const now = performance.now();
    if (now - this.#readAt < pauseMs) return this.#last;
    this.#readAt = now;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patienceMs);
    });
    this.#last = Promise.race([this.#read().catch(() => {}), late]).finally(() => clearTimeout(timer));
    return this.#last;
  }
}
