import { isExpired } from './activation.ts';
import type { ActivationPayload } from './authorityWire.ts';
import type { BorrowTerms } from './entitlements.ts';
import type { CountBy, SupportPolicy } from './words.ts';

/** One licence that counts. Seats of different licences of a product add up; those of one licence never do. */
export interface EffectiveLicence {
  readonly licenceId: string;
  readonly keyId: string;
  readonly product: string;
  readonly seatLimit: number;
  readonly supportUntil?: string;
  readonly expiresAt?: string;
  readonly supportPolicy: SupportPolicy;
  readonly features: readonly string[];
  readonly trial?: true;
  readonly countBy: CountBy;
  readonly overdraftSeats: number;
  readonly weights?: Readonly<Record<string, number>>;
  readonly borrow?: BorrowTerms;
  readonly reassignAfterDays?: number;
  /** When its activation was issued. */
  readonly issuedAt: string;
}

/** An end that lies behind every clock. */
const longAgo = '1970-01-01T00:00:00Z';

/** Of each licence the activation of the highest generation; of one generation the latest issued. In order of licenceId. */
export function newestActivations(activations: readonly ActivationPayload[]): ActivationPayload[] {
  return [...Map.groupBy(activations, (a) => a.entitlements.licenceId)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, same]) => same.toSorted((a, b) => b.generation - a.generation || b.sequence - a.sequence).slice(0, 1));
}

/**
 * What sound activations grant together.
 * @param clockMs what the clock says
 * @param latestMs the latest time ever seen: a licence that ended by then stays ended when the clock is set back
 */
export function effectiveEntitlements(
  activations: readonly ActivationPayload[],
  clockMs: number,
  latestMs: number = clockMs,
): EffectiveLicence[] {
  return newestActivations(activations).map((activation) => {
    const { keyId, entitlements: e } = activation;
    const setBack = isExpired(activation, latestMs) && !isExpired(activation, clockMs);
    const expiresAt = setBack ? longAgo : e.expiresAt;
    return {
      licenceId: e.licenceId,
      keyId,
      product: e.product,
      seatLimit: e.seatLimit,
      ...(e.supportUntil === undefined ? {} : { supportUntil: e.supportUntil }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      supportPolicy: e.supportPolicy,
      features: e.features,
      ...(e.trial ? { trial: true as const } : {}),
      countBy: e.countBy ?? 'session',
      overdraftSeats: e.overdraftSeats ?? 0,
      ...(e.weights === undefined ? {} : { weights: e.weights }),
      ...(e.borrow === undefined ? {} : { borrow: e.borrow }),
      ...(e.reassignAfterDays === undefined ? {} : { reassignAfterDays: e.reassignAfterDays }),
      issuedAt: activation.issuedAt,
    };
  });
}
