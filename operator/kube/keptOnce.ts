/**
 * Values that stand in many objects are kept once: name and uid of an owner, its labels, the names of what belongs to it. All of
 * an owner's objects come from the API server within moments of each other, so it is enough to remember what came last, for as
 * long as some thousands of other values.
 */
class Recent<T> {
  #young = new Map<string, T>();
  #old = new Map<string, T>();
  readonly #size: number;

  /** @param size so many values are remembered at least, twice as many at most */
  constructor(size: number) {
    this.#size = size;
  }

  /** What was given first under this key, or `value` itself. */
  once(key: string, value: T): T {
    const known = this.#young.get(key);
    if (known !== undefined) return known;
    const kept = this.#old.get(key) ?? value;
    if (this.#young.size >= this.#size) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, kept);
    return kept;
  }
}

/** Shorter ones are kept once by the engine itself, longer ones hardly ever come twice. */
const lengths = { from: 11, to: 128 } as const;
/** What one page of each kind has. */
const texts = new Recent<string>(16_384);
const parts = new Recent<object>(2_048);

/** An equal text; the same one as before if it came a short while ago. */
export const textOnce = (text: string): string =>
  text.length < lengths.from || text.length > lengths.to ? text : texts.once(text, text);

/** An equal part of an object (JSON); the same one as before if it came a short while ago, so that neither may be written to. */
export const partOnce = <T extends object>(part: T): T => parts.once(JSON.stringify(part), part) as T;
