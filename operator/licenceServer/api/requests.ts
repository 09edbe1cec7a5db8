import { group } from './coordinates.ts';
import type { LicenceServer } from './types.ts';

/** Annotations on a LicenceServer that a person sets. */
export const requests = {
  rollAt: `${group}/roll-at`,
  reactivateAt: `${group}/reactivate-at`,
  rotateRetryAt: `${group}/rotate-retry-at`,
  /** `<moment>`, or `<key name>@<moment>`: a new key of the licence, once for each value. */
  regenerateAt: `${group}/regenerate-at`,
  pause: `${group}/pause`,
  /** `accept`: a lost identity may be replaced by a new one, which makes it another computer. */
  newIdentity: `${group}/new-identity`,
} as const;

/** Whether a person has stopped everything that is done for this LicenceServer. */
export const isPaused = ({ metadata }: LicenceServer): boolean =>
  !['false', '', undefined].includes(metadata.annotations?.[requests.pause]?.trim().toLowerCase());
