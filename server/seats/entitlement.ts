import type { BorrowTerms } from '../../licence/entitlements.ts';
import type { CountBy, SupportPolicy, SupportState } from '../../licence/words.ts';
import type { Weights } from './recount.ts';

/** One licence that counts for a product: the newest generation of its activation. Times are RFC 3339 UTC. */
export interface LicenceGrant {
  readonly licenceId: string;
  readonly keyId: string;
  readonly seatLimit: number;
  readonly supportUntil?: string;
  readonly expiresAt?: string;
  readonly supportPolicy: SupportPolicy;
  readonly features?: readonly string[];
  /** Given for a while to try the product. */
  readonly trial?: boolean;
  /** Absent: a session. */
  readonly countBy?: CountBy;
  readonly overdraftSeats?: number;
  /** Seats that one of a feature costs, where that is more than one. */
  readonly weights?: Weights;
  readonly borrow?: BorrowTerms;
  /** Seats are persons' who are named, each for so many days at least; absent: they are whoever's. */
  readonly reassignAfterDays?: number;
  /** When its activation was issued. */
  readonly issuedAt?: string;
}

/**
 * What all activated licences of one product grant together. The keys part hands the full list to the seats part with
 * `setEntitlements` whenever it changes; a product that is left out is no longer known.
 */
export interface ProductEntitlement {
  readonly product: string;
  readonly licences: readonly LicenceGrant[];
  /** Seats of the licences that have not expired at the moment of the call. */
  readonly seatLimit: number;
  /** The latest support term among them; absent: one of them has no term. */
  readonly supportUntil?: string;
  /** When the last of them expires; absent: one of them is perpetual. */
  readonly expiresAt?: string;
  /** `require` only if every one of them requires it. */
  readonly supportPolicy: SupportPolicy;
  /** Of the licences in force, each once, in the order of the alphabet. */
  readonly features: readonly string[];
  /** Whether all licences in force are trials. */
  readonly trial: boolean;
  /** What one seat is: as the licence in force that was issued first has it. */
  readonly countBy: CountBy;
  /** Seats that may be in use beyond the limit. */
  readonly overdraftSeats: number;
  /** Seats that one of a feature costs; of licences that disagree the most. */
  readonly weights: Weights;
  /** How far seats may be borrowed; absent: no licence in force allows it. Seats of those that do not allow it stay here. */
  readonly borrow?: BorrowTerms;
  /** Seats are persons' who are named, each for so many days at least: the most that a licence in force says; absent: they are whoever's. */
  readonly reassignAfterDays?: number;
  /** KeyIds of licences in force that add no seats, since they count something else, or are no licences for named users as the first one is. */
  readonly disagreeing: readonly string[];
}

/**
 * What the keys part calls. Resolves when the new limits count for every further check-out.
 * `again`: reads them once more, with all other servers of the ledger kept out meanwhile; what it answers counts.
 */
export type SetEntitlements = (
  products: readonly ProductEntitlement[],
  again?: () => Promise<readonly ProductEntitlement[]>,
) => Promise<void>;

/** A licence together with the product it is for. */
export type ProductLicence = LicenceGrant & { readonly product: string };

const latest = (times: readonly (string | undefined)[]): string | undefined => {
  let last = '';
  for (const at of times) {
    if (at === undefined) return undefined; // one without an end outlasts all others
    if (last === '' || Date.parse(at) > Date.parse(last)) last = at;
  }
  return last === '' ? undefined : last;
};

function lending(live: readonly LicenceGrant[]): { borrow?: BorrowTerms } {
  const terms = live.flatMap((l) => l.borrow ?? []);
  if (terms.length === 0) return {};
  const keepFree = live.reduce((sum, l) => sum + Math.min(l.borrow?.keepFree ?? l.seatLimit, l.seatLimit), 0);
  return { borrow: { maxHours: Math.max(...terms.map((b) => b.maxHours)), keepFree } };
}

/** In the order of the alphabet, so that equal ones are equal as text. */
function dearest(all: readonly Weights[]): Weights {
  const most = new Map<string, number>();
  for (const [feature, weight] of all.flatMap((w) => Object.entries(w)))
    most.set(feature, Math.max(weight, most.get(feature) ?? 1));
  return Object.fromEntries([...most].filter(([, weight]) => weight > 1).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const isLive = (licence: LicenceGrant, nowMs: number): boolean =>
  licence.expiresAt === undefined || Date.parse(licence.expiresAt) > nowMs;

/** What a seat is, and whether it is a person's who is named. */
const kindOf = ({ countBy = 'session', reassignAfterDays }: Pick<LicenceGrant, 'countBy' | 'reassignAfterDays'>) =>
  ({ countBy, isNamed: reassignAfterDays !== undefined }) as const;

/** Two licences of a product may be of different kinds; then the one that was issued first decides. */
const firstOf = (licences: readonly LicenceGrant[]): Pick<LicenceGrant, 'countBy' | 'reassignAfterDays'> =>
  licences.toSorted((a, b) => Date.parse(a.issuedAt ?? '') - Date.parse(b.issuedAt ?? '') || 0).at(0) ?? {};

/**
 * Seats of different licences of one product add up; an expired licence adds none, and so does one that counts something else than
 * the first. `nowMs` is since the epoch.
 */
export function entitlementsAt(licences: readonly ProductLicence[], nowMs: number): ProductEntitlement[] {
  const products = Map.groupBy(licences, (l) => l.product);
  return [...products]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([product, all]) => {
      const valid = all.filter((l) => isLive(l, nowMs));
      const { countBy, isNamed } = kindOf(firstOf(valid.length > 0 ? valid : all));
      const live = valid.filter((l) => kindOf(l).countBy === countBy && kindOf(l).isNamed === isNamed);
      const counted = live.length > 0 ? live : all;
      const supportUntil = latest(counted.map((l) => l.supportUntil));
      const expiresAt = latest(all.map((l) => l.expiresAt));
      return {
        product,
        licences: all.map(({ product: _, ...licence }) => licence),
        seatLimit: live.reduce((sum, l) => sum + l.seatLimit, 0),
        ...(supportUntil === undefined ? {} : { supportUntil }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
        supportPolicy: counted.every((l) => l.supportPolicy === 'require') ? 'require' : 'warn',
        features: [...new Set(live.flatMap((l) => l.features ?? []))].sort(),
        trial: live.length > 0 && live.every((l) => l.trial === true),
        countBy,
        overdraftSeats: live.reduce((sum, l) => sum + (l.overdraftSeats ?? 0), 0),
        weights: dearest(live.map((l) => l.weights ?? {})),
        ...lending(live),
        ...(isNamed ? { reassignAfterDays: Math.max(0, ...live.map((l) => l.reassignAfterDays ?? 0)) } : {}),
        disagreeing: valid.filter((l) => !live.includes(l)).map((l) => l.keyId),
      };
    });
}

/** When the next licence expires, in ms since the epoch: the moment at which the list must be computed again. */
export function nextExpiryAt(entitlements: readonly ProductEntitlement[], nowMs: number): number | undefined {
  const times = entitlements
    .flatMap((e) => e.licences.map((l) => (l.expiresAt === undefined ? Number.NaN : Date.parse(l.expiresAt))))
    .filter((at) => at > nowMs);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** The same products as they stand at `nowMs`. */
export const refreshed = (entitlements: readonly ProductEntitlement[], nowMs: number): ProductEntitlement[] =>
  entitlementsAt(
    entitlements.flatMap((e) => e.licences.map((l) => ({ ...l, product: e.product }))),
    nowMs,
  );

/**
 * The licence by whose activation a proof is signed: one in force, the one that lasts longest, so that whoever keeps the proof
 * can verify it as long as any. Of several alike the first.
 */
export const licenceInForce = ({ licences }: ProductEntitlement, nowMs: number): LicenceGrant | undefined =>
  licences
    .filter((l) => isLive(l, nowMs))
    .toSorted((a, b) => endOf(b) - endOf(a))
    .at(0) ?? licences[0];

const endOf = ({ expiresAt }: LicenceGrant): number =>
  expiresAt === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(expiresAt);

/** Whether the whole product has expired. */
export const hasExpired = (entitlement: ProductEntitlement, nowMs: number): boolean =>
  entitlement.expiresAt !== undefined && Date.parse(entitlement.expiresAt) <= nowMs;

/**
 * Whether a program may count as supported: one that was released within the term always may; without a release date
 * the term must not have ended yet.
 */
export function supportState(
  entitlement: ProductEntitlement,
  programReleasedAtMs: number | undefined,
  nowMs: number,
): SupportState {
  if (entitlement.supportUntil === undefined) return 'valid';
  return (programReleasedAtMs ?? nowMs) <= Date.parse(entitlement.supportUntil) ? 'valid' : 'expired';
}
