import type { Holder, LeaseMode } from '../../licence/words.ts';

export const leaseStates = ['active', 'stale', 'expired'] as const;
export type LeaseState = (typeof leaseStates)[number];

/** `GET /v1/leases` */
export interface LeasePage {
  readonly leases: readonly Lease[];
  readonly nextCursor?: string;
}
export interface Lease {
  readonly leaseId: string;
  readonly product: string;
  readonly holder: Holder;
  readonly mode: LeaseMode;
  readonly state: LeaseState;
  readonly acquiredAt: string;
  readonly renewedAt: string;
  readonly expiresAt?: string;
  /** Borrowed, and written off. */
  readonly writtenOff?: boolean;
  /** Since when its program is idle, where rules bound that. */
  readonly idleSince?: string;
  /** The reservation whose seat it is. */
  readonly reservation?: string;
  /** Leases of a product with the same value share one seat; absent: each lease is a seat. */
  readonly seat?: string;
  /** What it was asked for. */
  readonly feature?: string;
  /** How many seats it is, where that is not one. */
  readonly seats?: number;
}

/** The orders that `GET /v1/leases` knows; `-` before one turns it round. */
export const leaseOrders = ['user', 'base', 'host', 'acquiredAt', 'renewedAt'] as const;

/** `GET /v1/people` */
export interface PeoplePage {
  readonly people: readonly Person[];
  readonly nextCursor?: string;
}
/** The seats of one user; product, base and host where all of them share it. */
export interface Person {
  readonly user: string;
  readonly seats: number;
  readonly stale: number;
  readonly since: string;
  readonly renewedAt: string;
  readonly product?: string;
  readonly base?: string;
  readonly host?: string;
}

/** `GET /v1/denials` */
export interface DenialPage {
  readonly denials: readonly Denial[];
  readonly nextCursor?: string;
}
/** One episode of one holder: it asked `attempts` times in a row and was refused. */
export interface Denial {
  readonly product: string;
  readonly holder: Holder;
  readonly reason: string;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly attempts: number;
  /** Whether it went without a seat for more than a minute. */
  readonly unmet: boolean;
  readonly servedAt?: string;
}

/** `GET /v1/assignments` */
export interface AssignmentList {
  readonly products: readonly NamedProduct[];
}
export interface NamedProduct {
  readonly product: string;
  readonly seatLimit: number;
  readonly reassignAfterDays: number;
  readonly assignments: readonly Assignment[];
}
export interface Assignment {
  readonly user: string;
  readonly assignedAt: string;
  readonly reassignableFrom: string;
  readonly lastUsedAt?: string;
  readonly inUse: boolean;
}

/** `POST /v1/checkouts:explain` */
export interface Explained {
  readonly granted: boolean;
  readonly reason?: string;
  readonly checks: readonly {
    readonly check: string;
    readonly verdict: 'decided' | 'passed' | 'notMatched';
    readonly name?: string;
    readonly effect?: string;
    readonly unmatched?: string;
    readonly used?: number;
    readonly most?: number;
    readonly shortage?: string;
    readonly ahead?: number;
    /** The same in one sentence, in English. */
    readonly says: string;
  }[];
  readonly holders?: readonly {
    readonly leaseId: string;
    readonly holder: Holder;
    readonly acquiredAt: string;
    readonly stale?: boolean;
  }[];
  readonly expected?: { readonly at: string; readonly by: string };
}

/** The result of `POST /v1/rules:simulate` */
export interface Simulation {
  /** Seats with which nobody would have had to wait for one. */
  readonly needed: number;
  readonly today: SimulatedSide & { readonly seats: number };
  readonly other: SimulatedSide & { readonly seats: number };
  readonly days: readonly { readonly day: string; readonly today: SimulatedSide; readonly other: SimulatedSide }[];
}
export interface SimulatedSide {
  readonly refused: number;
  /** Of these, who had no seat a minute later. */
  readonly unmet: number;
  readonly peak: number;
  readonly waitedSeconds: number;
  readonly longestWaitSeconds: number;
}

/** `GET /v1/audit` */
export interface AuditPage {
  readonly acts: readonly Act[];
}
export interface Act {
  readonly id: number;
  readonly at: string;
  readonly actor: string;
  /** Method and path. */
  readonly action: string;
  readonly target: string;
  readonly reason?: string;
  readonly outcome?: string;
}

/** `GET /v1/usage` */
export interface Usage {
  readonly stepSeconds: number;
  readonly points: readonly UsagePoint[];
}
export interface UsagePoint {
  readonly product: string;
  readonly at: string;
  readonly seatLimit: number;
  /** Most seats in use within the step. */
  readonly peak: number;
  readonly denied: number;
}

/** `GET /v1/products`: what it adds to the server's status. */
export interface ProductList {
  readonly products: readonly {
    readonly product: string;
    readonly reservations: readonly { readonly name: string; readonly seats: number; readonly inUse: number }[];
    readonly weights?: Readonly<Record<string, number>>;
    readonly seatsBorrowed?: number;
    readonly seatsLost?: number;
    readonly rules?: readonly { readonly name: string; readonly max: number; readonly inUse: number }[];
  }[];
}

/** `GET /v1/identity` */
export interface Identity {
  readonly fingerprint: string;
  readonly publicKey: string;
}
