import type { CustomerAnswer } from '../../../licence/authorityCalls.ts';
import type { IssuedKey, KeyAllowance } from '../../../licence/authorityWire.ts';

/** What the authority answered to a request for a new key: what is left of the budget, or the key without its text. */
export type RegenerationAnswer =
  | { readonly call: 'allowance'; readonly answer: CustomerAnswer<KeyAllowance> | LocalRefusal }
  | { readonly call: 'regenerate'; readonly answer: CustomerAnswer<Omit<IssuedKey, 'key'>> | LocalRefusal };

/** What already fails on this side, and may be put right: a Secret that is missing, or one that the new key cannot be kept in. */
export interface LocalRefusal {
  readonly ok: false;
  readonly reason: 'SecretMissing' | 'SecretRefused' | 'NameTaken';
  readonly message: string;
  readonly retryAfterSeconds?: number;
}
