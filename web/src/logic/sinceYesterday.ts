import type { ServerStatus } from '../../../licence/serverStatus.ts';
import type { Text } from '../text/text.ts';
import type { Act, Denial, Usage } from '../wire.ts';
import { keyLabel } from './attention.ts';
import { formatRoute } from './route.ts';

const dayMs = 86_400_000;
const mostActs = 5;

/** Something that is otherwise than a day ago. */
export interface Change {
  readonly text: string;
  /** Said in small below it: a reason that somebody gave. */
  readonly more?: string;
  /** Where it can be seen. */
  readonly href?: string;
}

export interface Yesterday {
  /** Two days of it. */
  readonly usage: Usage;
  /** Of the last day. */
  readonly denials: readonly Denial[];
  readonly acts: readonly Act[];
}

/** What changed in the last 24 hours, what concerns most people first. Pure. */
export function changesSince(
  { usage, denials, acts }: Yesterday,
  status: ServerStatus,
  text: Text,
  now: number,
): Change[] {
  const since = now - dayMs;
  const isNew = (at: string | undefined) => at !== undefined && Date.parse(at) >= since;
  const ago = (at: string) => text.relative(at, now);
  const products = status.products.map(({ product }) => product);
  return [
    ...products.flatMap((product) => ofUsage(usage, product, since, text)),
    ...products.flatMap((product) => ofDenials(denials, product, text)),
    ...status.keys
      .filter((key) => key.state === 'Active' && isNew(key.activatedAt))
      .map((key) => ({
        text: text.t('since.key', { key: keyLabel(key), ago: ago(key.activatedAt ?? '') }),
        href: formatRoute('keys'),
      })),
    ...(status.clearing !== undefined && isNew(status.clearing.at) && status.clearing.cleared > 0
      ? [{ text: text.t('since.cleared', { n: status.clearing.cleared, ago: ago(status.clearing.at) }) }]
      : []),
    ...acts
      .filter((act) => isNew(act.at))
      .flatMap((act) => ofAct(act, text, now))
      .slice(0, mostActs),
    ...(isNew(status.startedAt)
      ? [{ text: text.t('since.started', { ago: ago(status.startedAt), version: status.version }) }]
      : []),
  ];
}

function ofUsage(usage: Usage, product: string, since: number, text: Text): Change[] {
  const points = usage.points.filter((p) => p.product === product);
  const isBefore = (at: string) => Date.parse(at) < since;
  const [before, after] = [points.filter((p) => isBefore(p.at)), points.filter((p) => !isBefore(p.at))];
  if (before.length === 0 || after.length === 0) return []; // nothing to compare with
  const peak = (of: typeof points) => Math.max(...of.map((p) => p.peak));
  const limits = { limit: after.at(-1)?.seatLimit ?? 0, before: before.at(-1)?.seatLimit ?? 0 };
  const peaks = { peak: peak(after), before: peak(before) };
  const href = formatRoute('seats', { product });
  return [
    ...(limits.limit === limits.before ? [] : [{ text: text.t('since.limit', { product, ...limits }), href }]),
    ...(peaks.peak === peaks.before ? [] : [{ text: text.t('since.peak', { product, ...peaks }), href }]),
  ];
}

function ofDenials(denials: readonly Denial[], product: string, text: Text): Change[] {
  const of = denials.filter((d) => d.product === product);
  const holders = (list: readonly Denial[]) => new Set(list.map(({ holder }) => JSON.stringify(holder))).size;
  const counts = { n: holders(of), unmet: holders(of.filter((d) => d.servedAt === undefined)) };
  if (counts.n === 0) return [];
  return [{ text: text.t('since.refused', { product, ...counts }), href: formatRoute('denials', { product }) }];
}

const acts = [
  [/^POST \/v1\/leases\/.*:release$/, 'since.released'],
  [/^POST \/v1\/stale:release$/, 'since.staleReleased'],
  [/^POST \/v1\/(keys|activation\/response)$/, 'since.keyInstalled'],
  [/^DELETE \/v1\/keys\//, 'since.keyRemoved'],
] as const;

function ofAct({ action, actor, at, reason }: Act, text: Text, now: number): Change[] {
  const key = acts.find(([pattern]) => pattern.test(action))?.[1];
  if (key === undefined) return [];
  const told = text.t(key, { who: actor, ago: text.relative(at, now) });
  return [reason === undefined ? { text: told } : { text: told, more: text.t('since.reason', { reason }) }];
}
