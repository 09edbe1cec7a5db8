import type { Context } from '../context.ts';
import { openServer } from '../serverLink.ts';

/** `adopt NAME BASE`: gives the name of a base to the instance that was refused last, or to the one that is named. */
export async function adopt(
  context: Context,
  [name = '', base = '']: readonly string[],
  { instance, reason }: { instance?: string; reason: string },
): Promise<undefined> {
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    await context.confirm(
      `Give the name ${base} to ${instance === undefined ? 'the instance that was refused last' : `instance ${instance}`}? The one that has it now is refused from then on.`,
    );
    const path = `/v1/bases/${encodeURIComponent(base)}:adopt`;
    const done = await link.call<{ base: string; instance: string }>('POST', path, {
      reason,
      ...(instance === undefined ? {} : { instance }),
    });
    context.out(`${done.base} is instance ${done.instance} now\n`);
    return undefined;
  } finally {
    link.close();
  }
}
