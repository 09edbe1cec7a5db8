import { licenceServers } from '../cluster.ts';
import type { Context } from '../context.ts';

/** `top`: seats in use of every product of every server, the fullest first; from the resources alone. */
export async function top(context: Context): Promise<undefined> {
  const all = await licenceServers(context.cluster, context.allNamespaces ? undefined : context.cluster.namespace);
  const rows = all
    .flatMap(({ metadata, status }) =>
      (status?.products ?? []).map((product) => ({ namespace: metadata.namespace, name: metadata.name, ...product })),
    )
    .map((row) => ({ ...row, percent: row.seatLimit === 0 ? 0 : Math.round((100 * row.seatsInUse) / row.seatLimit) }))
    .sort((a, b) => b.percent - a.percent || b.seatsInUse - a.seatsInUse);
  context.print({
    data: rows,
    columns: [
      ...(context.allNamespaces ? [{ title: 'NAMESPACE' }] : []),
      ...['NAME', 'PRODUCT', 'IN USE', 'SEATS', 'STALE', '%'].map((title) => ({ title })),
    ],
    rows: rows.map((row) => [
      ...(context.allNamespaces ? [row.namespace] : []),
      row.name,
      row.product,
      String(row.seatsInUse),
      String(row.seatLimit),
      String(row.seatsStale),
      `${row.percent}%`,
    ]),
    empty: 'No server has told of any seats yet.',
  });
  return undefined;
}
