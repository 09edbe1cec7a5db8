/** What is remembered of a base: the sessions of its last two reports with newcomers, and how often such newcomers were known. */
interface Memory {
  readonly last: ReadonlySet<string>;
  readonly before: ReadonlySet<string>;
  readonly swings: number;
  readonly returned: number;
  readonly atMs: number;
}

/** So many reports in a row, with so many sessions in all that came back, are no people who come and go. */
const mostSwings = 3;
const mostReturned = 5;
const forgottenMs = 15 * 60_000;
const mostBases = 1_000;

/**
 * Notices two bases that report under one name without saying which instance they are: each takes the seats that the other's
 * sessions had, so the same sessions lose their seat and are granted one again, report after report. A session that ends does
 * not come back. Only reports in which somebody was granted a seat are looked at.
 */
export class Swings {
  readonly #bases = new Map<string, Memory>();

  /**
   * @param holders of the report; `codes` one letter each, G for a seat that was granted
   * @returns whether it is to be told
   */
  reported(base: string, holders: readonly string[], codes: string, nowMs: number): boolean {
    const known = this.#bases.get(base);
    const memory = known === undefined || nowMs - known.atMs > forgottenMs ? undefined : known;
    let granted = 0;
    let returned = 0;
    holders.forEach((holder, i) => {
      if (codes[i] !== 'G') return;
      granted += 1;
      if (memory !== undefined && (memory.last.has(holder) || memory.before.has(holder))) returned += 1;
    });
    const swung = returned * 2 >= granted;
    const swings = swung ? (memory?.swings ?? 0) + 1 : 0;
    const all = swung ? (memory?.returned ?? 0) + returned : 0;
    this.#bases.delete(base); // the last in the order of the map is the latest
    if (this.#bases.size >= mostBases) this.#bases.delete(this.#bases.keys().next().value ?? '');
    const last = new Set(holders);
    this.#bases.set(base, { last, before: memory?.last ?? new Set(), swings, returned: all, atMs: nowMs });
    return swings >= mostSwings && all >= mostReturned;
  }
}
