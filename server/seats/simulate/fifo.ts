/** First in, first out; what is taken from the front costs the same however long it is. */
export class Fifo<T> {
  #items: T[] = [];
  #from = 0;

  push(item: T): void {
    this.#items.push(item);
  }
  /** The first one that still counts; those before it go. */
  head(counts: (item: T) => boolean): T | undefined {
    for (; this.#from < this.#items.length; this.#from++) {
      const item = this.#items[this.#from];
      if (item !== undefined && counts(item)) return item;
    }
    this.#items = [];
    this.#from = 0;
    return undefined;
  }
  /** Takes the first one away. */
  shift(): void {
    this.#from += 1;
    if (this.#from < 4_096 || this.#from * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#from);
    this.#from = 0;
  }
}
