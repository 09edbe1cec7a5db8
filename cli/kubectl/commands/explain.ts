import { type Explained, explainedLines } from '../../../licence/explained.ts';
import type { Context } from '../context.ts';
import { type ExitStatus, exitStatus } from '../exitStatus.ts';
import { openServer } from '../serverLink.ts';

/** `explain NAME --product P --user U …`: whether a check-out would be granted, and why; takes nothing. */
export async function explain(
  context: Context,
  [name]: readonly string[],
  options: { product: string; base: string; user: string; host: string; session: string; releasedOn?: string },
): Promise<ExitStatus | undefined> {
  const { product, base, user, host, session, releasedOn } = options;
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    const answer = await link.call<Explained>('POST', '/v1/checkouts:explain', {
      product,
      holder: { base, user, host, session },
      ...(releasedOn === undefined ? {} : { programReleasedOn: releasedOn }),
    });
    if (context.format === 'json' || context.format === 'yaml')
      context.print({ data: answer, columns: [], rows: [], empty: '' });
    else context.out(`${explainedLines(answer).join('\n')}\n`);
    return answer.granted ? undefined : exitStatus.unwell;
  } finally {
    link.close();
  }
}
