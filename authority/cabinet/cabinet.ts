import type { Client, Transact } from '../database.ts';
import type { AttemptRates } from './attempts.ts';
import type { IdentityProvider } from './identityProvider.ts';
import type { SecretBox } from './secretBox.ts';
import type { SessionTimes } from './sessions.ts';

/** What the cabinet is made of, beside the licences. */
export interface CabinetDeps {
  readonly transact: Transact;
  /** The present time in ms. */
  readonly now: (client: Client) => Promise<number>;
  readonly attemptRates: AttemptRates;
  readonly sessionTimes: SessionTimes;
  /** How long an invitation is good, in ms. */
  readonly invitationMs: number;
  readonly secrets: SecretBox;
  /** Undefined: people sign in by password only. */
  readonly provider: IdentityProvider | undefined;
}
