import type { Fault } from '../api/fault.ts';
import type { Status } from '../api/types.ts';
import type { Plan } from '../decide/plan.ts';
import type { Valid } from '../decide/validate.ts';
import type { Observed } from '../observe/observed.ts';

/** All that the conditions are told from. */
export interface Seen {
  readonly valid: Valid;
  readonly observed: Observed;
  readonly plan: Plan;
  /** Status as read. */
  readonly before: Status;
  /** What the API server refused of the children, if anything. */
  readonly refusals: readonly Fault[];
  /** The last roll, as the Deployment tells it now. */
  readonly rolled?: Status['lastRoll'];
}

/** One condition, before it has a time. */
export interface Said {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** Its words tell counts, or the time: other words alone are worth a write only once in a while. */
  readonly fleeting?: boolean;
}
