import { Reflector, type ReflectorOptions, type WatchFault } from './reflector.ts';
import { kinds } from './resourceKind.ts';
import { metadataOnly, Store } from './store.ts';

/** Which namespaces are looked at. A label selector is followed live. */
export type NamespaceChoice =
  | { readonly all: true }
  | { readonly names: readonly string[] }
  | { readonly selector: string };

export interface NamespaceScopeOptions
  extends Pick<ReflectorOptions, 'client' | 'clock' | 'log' | 'metrics' | 'idleMs' | 'backOff' | 'onState'> {
  readonly choice: NamespaceChoice;
}

/** The chosen namespaces as they are now. */
export class NamespaceScope {
  readonly #choice: NamespaceChoice;
  readonly #store = new Store({ transform: metadataOnly });
  readonly #reflector: Reflector | undefined;

  constructor(options: NamespaceScopeOptions) {
    const { choice, ...rest } = options;
    this.#choice = choice;
    this.#reflector =
      'selector' in choice
        ? new Reflector({
            ...rest,
            kind: kinds.Namespace,
            store: this.#store,
            labelSelector: choice.selector,
            metadataOnly: true,
          })
        : undefined;
  }

  /** Names of the namespaces; undefined: all. */
  current(): readonly string[] | undefined {
    if ('all' in this.#choice) return undefined;
    return 'names' in this.#choice ? this.#choice.names : this.#store.keys();
  }

  has(namespace: string): boolean {
    return this.current()?.includes(namespace) ?? true;
  }

  /** Tells of each change of the choice; the answer ends it. */
  onChange(fn: () => void): () => void {
    return this.#store.onChange({ add: fn, delete: fn });
  }

  /** False until the namespaces are known. */
  get synced(): boolean {
    return this.#reflector?.synced ?? true;
  }

  /** See Reflector; undefined where nothing is watched. */
  get silentMs(): number | undefined {
    return this.#reflector?.silentMs;
  }

  /** Why nothing is heard of the namespaces; undefined while something is. */
  get fault(): WatchFault | undefined {
    return this.#reflector?.fault;
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#reflector?.run(signal);
  }
}
