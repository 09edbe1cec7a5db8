import type { Context } from '../context.ts';
import { ageOf } from '../output.ts';
import { openServer } from '../serverLink.ts';

interface Denial {
  readonly product: string;
  readonly holder: { readonly base: string; readonly user: string; readonly host: string; readonly session: string };
  readonly reason: string;
  readonly firstAt: string;
  readonly lastAt: string;
  readonly attempts: number;
  readonly unmet: boolean;
  readonly servedAt?: string;
}

/** `denials NAME`: who was refused, when and why, the newest first. */
export async function denials(
  context: Context,
  [name]: readonly string[],
  options: { product?: string; reason?: string; limit: string },
): Promise<undefined> {
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    const query = new URLSearchParams({ limit: options.limit });
    if (options.product !== undefined) query.set('product', options.product);
    if (options.reason !== undefined) query.set('reason', options.reason);
    const page = await link.call<{ denials: readonly Denial[] }>('GET', `/v1/denials?${query}`);
    const nowMs = Date.now();
    context.print({
      data: page.denials,
      columns: ['PRODUCT', 'USER', 'HOST', 'BASE', 'REASON', 'FIRST', 'LAST', 'ATTEMPTS', 'THEN'].map((title) => ({
        title,
      })),
      rows: page.denials.map((denial) => [
        denial.product,
        denial.holder.user,
        denial.holder.host,
        denial.holder.base,
        denial.reason,
        ageOf(denial.firstAt, nowMs),
        ageOf(denial.lastAt, nowMs),
        String(denial.attempts),
        denial.servedAt === undefined ? (denial.unmet ? 'went without' : 'waits') : 'served',
      ]),
      empty: 'Nobody was refused.',
    });
    return undefined;
  } finally {
    link.close();
  }
}
