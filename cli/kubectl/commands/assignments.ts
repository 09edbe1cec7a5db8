import { counted } from '../../../licence/counted.ts';
import type { Context } from '../context.ts';
import { CommandFault } from '../exitStatus.ts';
import { type Answer, ageOf } from '../output.ts';
import { openServer } from '../serverLink.ts';
import { textOfFile } from '../textOfFile.ts';

interface NamedProduct {
  readonly product: string;
  readonly seatLimit: number;
  readonly reassignAfterDays: number;
  readonly assignments: readonly {
    readonly user: string;
    readonly assignedAt: string;
    readonly reassignableFrom: string;
    readonly lastUsedAt?: string;
    readonly inUse: boolean;
  }[];
}

/** `assignments NAME`: whose the seats of products for named users are. */
export async function assignments(
  context: Context,
  [name]: readonly string[],
  { product }: { product?: string },
): Promise<undefined> {
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    const query = product === undefined ? '' : `?product=${encodeURIComponent(product)}`;
    const { products } = await link.call<{ products: readonly NamedProduct[] }>('GET', `/v1/assignments${query}`);
    context.print(table(products, Date.now()));
    return undefined;
  } finally {
    link.close();
  }
}

function table(products: readonly NamedProduct[], nowMs: number): Answer {
  const rows = products.flatMap((p) => p.assignments.map((a) => ({ product: p.product, ...a })));
  return {
    data: products,
    columns: [
      { title: 'PRODUCT' },
      { title: 'USER' },
      { title: 'ASSIGNED' },
      { title: 'USED' },
      { title: 'IN USE' },
      { title: 'MAY MOVE' },
    ],
    rows: rows.map((a) => [
      a.product,
      a.user,
      ageOf(a.assignedAt, nowMs),
      a.lastUsedAt === undefined ? 'never' : ageOf(a.lastUsedAt, nowMs),
      a.inUse ? 'yes' : '',
      Date.parse(a.reassignableFrom) <= nowMs ? 'now' : `from ${a.reassignableFrom.slice(0, 10)}`,
    ]),
    names: rows.map((a) => a.user),
    empty:
      products.length === 0
        ? 'No licence here is for named users.'
        : `No seat of ${products.map((p) => p.product).join(', ')} is assigned yet: kubectl licence assign`,
  };
}

/** Whether a table has no line but, at most, that of its columns' names: a file that came out empty is hardly meant. Pure. */
export function isOfNobody(table: string): boolean {
  const lines = table.replace('\ufeff', '').split(/[\r\n]+/);
  const [first, ...further] = lines.filter((line) => /[^\s,;"]/.test(line));
  return first === undefined || (further.length === 0 && /(^|[\s,;"])user($|[\s,;"])/i.test(first));
}

/** `assign NAME USER…`: seats become these users'; with `--remove` they move. */
export async function assign(
  context: Context,
  [name = '', ...users]: readonly string[],
  {
    product,
    remove = [],
    fromFile,
    reason,
  }: { product: string; remove?: readonly string[]; fromFile?: string; reason?: string },
): Promise<undefined> {
  if ((fromFile === undefined) === (users.length + remove.length === 0))
    throw new CommandFault('which users?', 'name users and --remove, or a list by --from-file');
  const list = fromFile === undefined ? undefined : textOfFile(fromFile);
  if (list !== undefined && isOfNobody(list))
    throw new CommandFault(`${fromFile} has no users`, 'to take seats away name whose: --remove USER');
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    if (list !== undefined)
      await context.confirm(
        `Make ${fromFile === '-' ? 'this' : fromFile} the whole list of users of ${product}? Who is missing in it loses the seat.`,
      );
    else if (remove.length > 0)
      await context.confirm(`Take the seats of ${product} from ${remove.join(', ')}? What they use now ends.`);
    const done = await link.call<{ assigned: number; removed: number; ended: number }>(
      'POST',
      '/v1/assignments:change',
      {
        product,
        ...(reason === undefined ? {} : { reason }),
        ...(list === undefined ? { assign: users, remove } : { table: list }),
      },
    );
    context.out(`${done.assigned} assigned, ${done.removed} taken away, ${counted(done.ended, 'seat')} in use ended\n`);
    return undefined;
  } finally {
    link.close();
  }
}
