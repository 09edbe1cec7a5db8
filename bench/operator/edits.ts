import { setTimeout as delay } from 'node:timers/promises';
import type { KubeApi } from '../../cluster/kubeApi.ts';
import { type Call, isWrite } from './auditTail.ts';
import { keyOf, pathOf, type Server } from './fixture.ts';

/** Milliseconds from an edit's answer to the answer that says that the changed child is written. */
export interface EditTimes {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Editing {
  /** To be told of every call of the operator. */
  readonly seen: (call: Call) => void;
  /** After the end: how long the edits took. Edits that were never applied make it throw. */
  readonly times: () => Promise<EditTimes>;
}

const everyMs = 500;
/** No more than this many, so that who is quick to apply edits is not given more work than who lets them wait. */
const most = 60;

/**
 * Edits one of `servers` after the other, an annotation of its Service, until `done`: what a person's change waits for while
 * the operator is busy with others. A server whose last edit is not applied yet is left out.
 */
export function editWhile(api: KubeApi, servers: readonly Server[], done: () => boolean): Editing {
  const pending = new Map<string, number>();
  const took: number[] = [];
  let count = 0;

  const edit = async (server: Server) => {
    const spec = { service: { annotations: { 'example.org/edit': String(count++) } } };
    const answer = await api.request('PATCH', pathOf(server), { spec }, 'application/merge-patch+json');
    if (answer.status !== 200) throw new Error(`edit of ${keyOf(server)}: ${answer.status}`);
    pending.set(keyOf(server), Date.now());
  };
  const editing = (async () => {
    // Not before there is something to wait behind.
    await delay(everyMs);
    while (!done() && count < most) {
      const next = servers[count % servers.length];
      if (next !== undefined && !pending.has(keyOf(next))) await edit(next);
      await delay(everyMs);
    }
  })();
  // Reported by `times`; until then it is nobody's unhandled rejection.
  editing.catch(() => {});

  return {
    seen: (call) => {
      if (call.resource !== 'services' || !isWrite(call) || call.status >= 300) return;
      const at = pending.get(call.key);
      // The answer to the edit and the operator's write may be on their way at the same time.
      if (at === undefined || call.toAt < at - 50) return;
      pending.delete(call.key);
      took.push(Math.max(0, call.toAt - at));
    },
    times: async () => {
      await editing;
      if (pending.size > 0) throw new Error(`edits that were never applied: ${[...pending.keys()].join(', ')}`);
      took.sort((a, b) => a - b);
      const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN;
      return { count: took.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
    },
  };
}
