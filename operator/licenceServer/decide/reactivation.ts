import { momentOf } from '../api/times.ts';
import type { ReactivationStatus, Status } from '../api/types.ts';
import type { ServerAnswer } from '../observe/serverAnswer.ts';

/**
 * Activating the same keys again on the same computer, on a person's request. Pure. The roll itself is a mark on the pod
 * template like any other; here it is followed until each key has another activation than before. Until then the present
 * ones serve, so it disturbs nobody beyond the restart, however long the authority is away.
 */
export interface ReactivationInput {
  readonly nowMs: number;
  /** Value of the reactivate-at annotation. */
  readonly request: string | undefined;
  /** `status.reactivation` as read. */
  readonly before: ReactivationStatus | undefined;
  /** `status.keys` as read: activations from before the roll. */
  readonly keys: Status['keys'];
  /** Names in spec.keys. */
  readonly names: readonly string[];
  readonly server: ServerAnswer;
  readonly deployed: { readonly reactivation: string | undefined; readonly settled: boolean } | undefined;
}

export function decideReactivation(i: ReactivationInput): ReactivationStatus | undefined {
  const { before, request } = i;
  if (request === undefined || i.deployed === undefined) return before;
  if (before?.request !== request) {
    const activatedAt = (name: string) => i.keys?.find((key) => key.name === name)?.activatedAt ?? '';
    const pending = i.names.map((name) => `${name}@${activatedAt(name)}`);
    return { request, startedAt: momentOf(i.nowMs), pending };
  }
  const isRolled = i.deployed.reactivation === request && i.deployed.settled;
  if (before.provenAt !== undefined || !isRolled || i.server.kind !== 'answered') return before;
  const { keys } = i.server.status;
  const { message: _, ...kept } = before;
  const nameOf = (waiting: string) => waiting.slice(0, waiting.lastIndexOf('@'));
  const viewOf = (waiting: string) => keys.find((key) => key.name === nameOf(waiting));
  const pending = before.pending.filter((waiting) => {
    if (!i.names.includes(nameOf(waiting))) return false;
    const key = viewOf(waiting);
    const activatedAt = key?.activatedAt ?? '';
    return key?.state !== 'Active' || activatedAt === waiting.slice(waiting.lastIndexOf('@') + 1);
  });
  if (pending.length === 0) return { ...kept, pending, provenAt: momentOf(i.nowMs) };
  const fault = pending.map((waiting) => viewOf(waiting)).find((key) => key?.fault !== undefined);
  return {
    ...kept,
    pending,
    ...(fault?.fault === undefined ? {} : { message: `key ${fault.name}: ${fault.fault.message}` }),
  };
}
