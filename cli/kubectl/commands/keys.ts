import type { KeyStatus } from '../../../licence/serverStatus.ts';
import type { Context } from '../context.ts';
import { inCommands } from '../inCommands.ts';
import { openServer } from '../serverLink.ts';
import { aboutKey } from '../whatToDo.ts';

/** `keys NAME`: every key that the server knows, and what is left of its regenerations. */
export async function keys(context: Context, [name]: readonly string[]): Promise<undefined> {
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    const { keys: all, trouble } = await link.call<{ keys: readonly KeyStatus[]; trouble?: string }>('GET', '/v1/keys');
    context.print({
      data: all,
      columns: [
        { title: 'NAME' },
        { title: 'KEY' },
        { title: 'STATE' },
        { title: 'PRODUCT' },
        { title: 'SEATS' },
        { title: 'GENERATION' },
        { title: 'REGENERATIONS LEFT' },
        { title: 'SUPPORT UNTIL' },
        { title: 'SOURCE', wide: true },
        { title: 'ACTIVATED', wide: true },
      ],
      rows: all.map((key) => [
        key.name ?? '',
        key.keyId ?? '',
        key.fault === undefined ? key.state : `${key.state}: ${key.fault.reason}`,
        key.product ?? '',
        key.seatLimit === undefined ? '' : String(key.seatLimit),
        key.generation === undefined ? '' : String(key.generation),
        key.regenerationsLeft === undefined ? '' : String(key.regenerationsLeft),
        key.supportUntil?.slice(0, 10) ?? '',
        key.source,
        key.activatedAt ?? '',
      ]),
      names: all.flatMap(({ keyId }) => keyId ?? []),
      empty: 'No key is installed.',
    });
    for (const key of all) {
      if (key.fault === undefined) continue;
      const todo = aboutKey[key.fault.reason]({ ...server.metadata, key: key.name });
      context.say(`${key.name ?? key.keyId}: ${inCommands(key.fault.message)}\n→ ${todo}`);
    }
    if (trouble !== undefined) context.say(trouble);
    return undefined;
  } finally {
    link.close();
  }
}
