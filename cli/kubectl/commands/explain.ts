import type { Context } from '../context.ts';
import { openServer } from '../serverLink.ts';

/** `explain NAME --product P --user U …`: whether a check-out would be granted, and why; takes nothing. */
export async function explain(
  context: Context,
  [name]: readonly string[],
  { product, base, user, host }: { product: string; base: string; user: string; host: string },
): Promise<undefined> {
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    const answer = await link.call<unknown>('POST', '/v1/checkouts:explain', { product, holder: { base, user, host } });
    context.out(`${JSON.stringify(answer, undefined, 2)}\n`);
    return undefined;
  } finally {
    link.close();
  }
}
