import type { LoadJob } from './load.ts';

/** What one row of the table measures, and what it must reach. Ratios are of one run on one machine. */
export interface Case {
  readonly name: string;
  readonly kind: LoadJob['kind'];
  readonly connections: number;
  /** Leases that exist before. */
  readonly leases: number;
  /** No seat is free: every check-out is refused. */
  readonly full?: boolean;
  /** Leases or sessions in one call. */
  readonly items?: number;
  /** Reports of an instance, whose names are spelled otherwise each time: all of them are folded. */
  readonly spelled?: boolean;
  /** A commit takes at least this long, in ms: a slow volume. */
  readonly commitMs?: number;
  /** Beside whom it is measured. */
  readonly beside: readonly ('design A' | 'bare' | 'keygen-relay')[];
  readonly goal?: Goal;
  /** Belongs to `--quick` too. */
  readonly quick?: boolean;
}

export interface Goal {
  /** Times design A at least. */
  readonly timesDesignA?: number;
  /** Share of bare fastify at least. */
  readonly ofBare?: number;
  /** Leases or sessions a second at least. */
  readonly itemsPerSecond?: number;
  readonly p99Ms: number;
}

const heartbeats = (leases: number, name: string): Case[] => [
  { name, kind: 'heartbeat', connections: 1, leases, beside: ['bare'] },
  {
    name,
    kind: 'heartbeat',
    connections: 16,
    leases,
    beside: leases === 10_000 ? ['design A', 'bare'] : ['bare'],
    goal: { ofBare: 0.6, p99Ms: 5 },
  },
  {
    name,
    kind: 'heartbeat',
    connections: 64,
    leases,
    beside: leases === 10_000 ? ['design A', 'bare', 'keygen-relay'] : ['bare'],
    goal: { ofBare: 0.75, p99Ms: 6 },
    quick: true,
  },
  { name, kind: 'heartbeat', connections: 256, leases, beside: ['bare'] },
];
const checkOut = { kind: 'checkout', beside: ['design A'] } as const;

export const cases: readonly Case[] = [
  ...heartbeats(10_000, 'heartbeat, 10k leases'),
  ...heartbeats(100_000, 'heartbeat, 100k leases'),
  { ...checkOut, name: 'check-out, 10k pool', connections: 1, leases: 10_000 },
  {
    ...checkOut,
    name: 'check-out, 10k pool',
    connections: 16,
    leases: 10_000,
    goal: { timesDesignA: 7, p99Ms: 6 },
    quick: true,
  },
  {
    ...checkOut,
    name: 'check-out, 10k pool',
    connections: 64,
    leases: 10_000,
    beside: ['design A', 'bare', 'keygen-relay'],
    goal: { timesDesignA: 14, p99Ms: 8 },
    quick: true,
  },
  { ...checkOut, name: 'check-out, 10k pool', connections: 256, leases: 10_000 },
  {
    ...checkOut,
    name: 'check-out, 100k pool',
    connections: 64,
    leases: 100_000,
    goal: { timesDesignA: 14, p99Ms: 8 },
  },
  {
    ...checkOut,
    name: 'check-out, commits of 2 ms',
    connections: 64,
    leases: 10_000,
    commitMs: 2,
    goal: { timesDesignA: 24, p99Ms: 15 },
    quick: true,
  },
  {
    name: 'denial, pool full',
    kind: 'denial',
    connections: 16,
    leases: 10_000,
    full: true,
    beside: ['design A', 'bare'],
    goal: { ofBare: 0.5, p99Ms: 3 },
    quick: true,
  },
  { name: 'denial, pool full', kind: 'denial', connections: 64, leases: 10_000, full: true, beside: ['bare'] },
  {
    name: 'check-out + release',
    kind: 'cycle',
    connections: 16,
    leases: 10_000,
    beside: ['design A'],
    goal: { timesDesignA: 6, p99Ms: 6 },
    quick: true,
  },
  { name: 'check-out + release', kind: 'cycle', connections: 64, leases: 10_000, beside: ['design A'] },
  {
    name: 'heartbeats, 500 a call',
    kind: 'heartbeats',
    connections: 4,
    leases: 10_000,
    items: 500,
    beside: [],
    goal: { itemsPerSecond: 250_000, p99Ms: 30 },
    quick: true,
  },
  {
    name: 'session report, 200 a base',
    kind: 'report',
    connections: 4,
    leases: 10_000,
    items: 200,
    beside: [],
    goal: { itemsPerSecond: 60_000, p99Ms: 60 },
    quick: true,
  },
  {
    name: 'explain, 100k leases',
    kind: 'explain',
    connections: 1,
    leases: 100_000,
    beside: [],
    goal: { p99Ms: 3 },
  },
  {
    name: 'explain, 100k leases, pool full',
    kind: 'explain',
    connections: 1,
    leases: 100_000,
    full: true,
    beside: [],
    goal: { p99Ms: 3 },
  },
  {
    name: 'session report, 5,000 a base, of an instance, names folded',
    kind: 'report',
    connections: 2,
    leases: 10_000,
    items: 5_000,
    spelled: true,
    beside: [],
  },
];

/** The answer that a case gets when all is well; any other one is a fault of the measurement. */
export const expectedStatus: Readonly<Record<LoadJob['kind'], readonly string[]>> = {
  heartbeat: ['200'],
  checkout: ['201'],
  denial: ['409'],
  cycle: ['201', '204'],
  heartbeats: ['200'],
  report: ['200'],
  metrics: ['200'],
  status: ['200'],
  explain: ['200'],
  relayHeartbeat: ['202'],
  relayCheckout: ['201'],
};
