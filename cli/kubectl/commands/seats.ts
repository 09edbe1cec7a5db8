import { setTimeout as pause } from 'node:timers/promises';
import { counted } from '../../../licence/counted.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import type { Context } from '../context.ts';
import { CommandFault } from '../exitStatus.ts';
import { type Answer, ageOf } from '../output.ts';
import { openServer, type ServerLink } from '../serverLink.ts';

export interface Lease {
  readonly leaseId: string;
  readonly product: string;
  readonly holder: { readonly base: string; readonly user: string; readonly host: string; readonly session: string };
  readonly mode: string;
  readonly state: string;
  readonly acquiredAt: string;
  readonly renewedAt: string;
  readonly expiresAt?: string;
  readonly idleSince?: string;
  readonly reservation?: string;
}

/** Which seats are meant. */
export interface SeatFilter {
  /** Parts of names. */
  readonly search?: string;
  readonly product?: string;
  readonly base?: string;
  readonly user?: string;
  readonly host?: string;
  readonly stale?: boolean;
}

const most = 100_000;

/** Every lease that fits, page by page. */
export async function leasesOf(link: ServerLink, filter: SeatFilter): Promise<readonly Lease[]> {
  const found: Lease[] = [];
  let cursor: string | undefined;
  do {
    const query = new URLSearchParams({ limit: '1000' });
    for (const name of ['search', 'product', 'base', 'user', 'host'] as const)
      if (filter[name]) query.set(name, filter[name]);
    if (filter.stale) query.set('state', 'stale');
    if (cursor !== undefined) query.set('cursor', cursor);
    const page = await link.call<{ leases: readonly Lease[]; nextCursor?: string }>('GET', `/v1/leases?${query}`);
    found.push(...page.leases);
    cursor = page.nextCursor;
  } while (cursor !== undefined && found.length < most);
  return found;
}

/** `seats NAME`: who holds what, the longest first. */
export async function seats(
  context: Context,
  [name]: readonly string[],
  options: SeatFilter & { watch?: boolean },
): Promise<undefined> {
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    for (;;) {
      const leases = await leasesOf(link, options);
      if (options.watch && process.stdout.isTTY) context.out('\u001b[H\u001b[2J');
      context.print(seatTable(server, leases, Date.now()));
      if (!options.watch) return undefined;
      await pause(2_000, undefined, { signal: context.cluster.signal });
    }
  } finally {
    link.close();
  }
}

function seatTable(server: LicenceServer, leases: readonly Lease[], nowMs: number): Answer {
  return {
    data: leases,
    columns: [
      { title: 'PRODUCT' },
      { title: 'USER' },
      { title: 'HOST' },
      { title: 'BASE' },
      { title: 'SESSION' },
      { title: 'STATE' },
      { title: 'MODE' },
      { title: 'SINCE' },
      { title: 'HEARD' },
      { title: 'IDLE', wide: true },
      { title: 'RESERVATION', wide: true },
      { title: 'LEASE', wide: true },
    ],
    rows: leases.map((lease) => [
      lease.product,
      lease.holder.user,
      lease.holder.host,
      lease.holder.base,
      lease.holder.session,
      lease.state,
      lease.mode,
      ageOf(lease.acquiredAt, nowMs),
      ageOf(lease.renewedAt, nowMs),
      lease.idleSince === undefined ? '' : ageOf(lease.idleSince, nowMs),
      lease.reservation ?? '',
      lease.leaseId,
    ]),
    names: leases.map(({ leaseId }) => leaseId),
    empty: `Nobody holds such a seat of ${server.metadata.name}.`,
  };
}

/** `release NAME [LEASE…]`: takes seats back, with a reason that is kept. */
export async function release(
  context: Context,
  [name = '', ...ids]: readonly string[],
  options: SeatFilter & { reason: string },
): Promise<undefined> {
  const { reason, ...filter } = options;
  const byFilter = Object.keys(filter).length > 0;
  if (byFilter === ids.length > 0) {
    throw new CommandFault(
      'which seats?',
      'name leases (kubectl licence seats NAME -o name), or say --user, --base, --host, --product or --stale',
    );
  }
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    const meant = byFilter ? await leasesOf(link, filter) : ids.map((leaseId) => ({ leaseId }));
    if (meant.length === 0) {
      context.say(`nobody holds such a seat of ${server.metadata.name}`);
      return undefined;
    }
    const who = byFilter ? ` (${people(meant as readonly Lease[])})` : '';
    await context.confirm(
      `Take ${meant.length} seat${meant.length === 1 ? '' : 's'}${who} back? Their holders lose them at once.`,
    );
    for (const { leaseId } of meant) {
      await link.call('POST', `/v1/leases/${leaseId}:release`, { reason });
      context.out(`${leaseId} released\n`);
    }
    return undefined;
  } finally {
    link.close();
  }
}

function people(leases: readonly Lease[]): string {
  const names = [...new Set(leases.map(({ holder }) => holder.user))];
  return names.length > 4 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
}

/** `clear-stale NAME`: gives the seats of silent bases back in place, without a restart. */
export async function clearStale(
  context: Context,
  [name]: readonly string[],
  { reason, product }: { reason: string; product?: string },
): Promise<undefined> {
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    const stale = await leasesOf(link, { stale: true, ...(product === undefined ? {} : { product }) });
    if (stale.length === 0) {
      context.say('no seat is stale');
      return undefined;
    }
    const bases = [...new Set(stale.map(({ holder }) => holder.base))].join(', ');
    await context.confirm(`Give ${stale.length} stale seats back, of ${bases}? Nothing restarts.`);
    const done = await link.call<{ released: number; kept: number }>('POST', '/v1/stale:release', {
      reason,
      ...(product === undefined ? {} : { product }),
    });
    context.out(`${counted(done.released, 'stale seat')} released, ${counted(done.kept, 'seat')} kept\n`);
    return undefined;
  } finally {
    link.close();
  }
}
