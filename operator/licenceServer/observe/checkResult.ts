import type { KeyFault } from '../../../licence/keyFaults.ts';

/** What the running server said of keys that differ, asked before they go to work. */
export type CheckResult =
  | { readonly kind: 'usable' }
  | { readonly kind: 'passing' | 'refused'; readonly key: string; readonly fault: KeyFault }
  /** The running server could not be asked after all. */
  | { readonly kind: 'unanswered'; readonly message: string };
