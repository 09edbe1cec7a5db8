/** Refusals of normal life. */
export type Refusal =
  | {
      readonly reason:
        | 'LicenceUnknown'
        | 'KeyUnknown'
        | 'KeyRevoked'
        | 'NothingToRenew'
        | 'IdempotencyKeyReused'
        | 'OrganisationUnknown'
        | 'OrganisationTaken'
        | 'TermsPast'
        | 'TermsShorter';
      readonly detail: string;
    }
  | { readonly reason: 'RegenerationLimit'; readonly detail: string; readonly resetAt: string }
  | {
      readonly reason: 'KeySuperseded';
      readonly detail: string;
      readonly newestKeyId: string;
      readonly newestGeneration: number;
    };
export type Outcome<T> = { readonly ok: true; readonly value: T } | ({ readonly ok: false } & Refusal);
