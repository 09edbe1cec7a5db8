import { once } from 'node:events';
import type { NamespaceScope } from './namespaceScope.ts';
import { Reflector, type ReflectorOptions } from './reflector.ts';

export interface ScopedReflectorOptions extends Omit<ReflectorOptions, 'namespace'> {
  readonly scope: NamespaceScope;
}

interface Running {
  readonly reflector: Reflector;
  readonly stop: () => void;
}

/**
 * One kind in all chosen namespaces, into one store: a reflector for all of them, or one for each, which come and go as
 * the choice changes. Objects of a namespace that is no longer chosen leave the store as if deleted.
 */
export class ScopedReflector {
  readonly #options: ScopedReflectorOptions;
  /** By namespace; `''` for all. */
  readonly #running = new Map<string, Running>();
  #signal: AbortSignal | undefined;
  #ended: Promise<void>[] = [];

  constructor(options: ScopedReflectorOptions) {
    this.#options = options;
  }

  /** True when every chosen namespace was listed. */
  get synced(): boolean {
    const { scope } = this.#options;
    return this.#signal !== undefined && scope.synced && [...this.#running.values()].every((r) => r.reflector.synced);
  }

  /** The longest silence of its reflectors, the one to worry about, in ms; undefined: none runs. */
  get silentMs(): number | undefined {
    const silences = [...this.#running.values()].map((r) => r.reflector.silentMs);
    return silences.length === 0 ? undefined : Math.max(...silences);
  }

  /** Runs until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { scope } = this.#options;
    this.#signal = signal;
    const unfollow = scope.onChange(() => this.#follow());
    this.#follow();
    if (!signal.aborted) await once(signal, 'abort');
    unfollow();
    await Promise.all(this.#ended);
  }

  /** Resolves when every namespace that is chosen by then was listed. */
  async whenSynced(signal?: AbortSignal): Promise<void> {
    await this.#options.scope.whenSynced(signal);
    while (!this.synced) {
      const waiting = [...this.#running.values()].filter((r) => !r.reflector.synced);
      await Promise.all(waiting.map((r) => r.reflector.whenSynced(signal)));
      signal?.throwIfAborted();
      if (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #follow(): void {
    if (this.#signal === undefined || this.#signal.aborted) return;
    const chosen = new Set(this.#options.scope.current() ?? ['']);
    for (const [namespace, running] of this.#running) {
      if (chosen.has(namespace)) continue;
      running.stop();
      this.#running.delete(namespace);
      this.#options.store.clear(namespace);
    }
    for (const namespace of chosen) {
      if (!this.#running.has(namespace)) this.#start(namespace, this.#signal);
    }
  }

  #start(namespace: string, signal: AbortSignal): void {
    const { scope: _, ...options } = this.#options;
    const reflector = new Reflector({ ...options, ...(namespace === '' ? {} : { namespace }) });
    const stop = new AbortController();
    this.#running.set(namespace, { reflector, stop: () => stop.abort(new Error('the namespace is no longer chosen')) });
    const ended = reflector.run(AbortSignal.any([signal, stop.signal])).finally(() => {
      this.#ended = this.#ended.filter((other) => other !== ended);
    });
    this.#ended.push(ended);
  }
}
