import { sharing } from '../../kube/sharing.ts';
import type { Fault } from './fault.ts';
import { licenceServerSpec } from './schema/spec.ts';
import type { LicenceServer, Spec } from './types.ts';

export type SpecRead = { readonly ok: true; readonly spec: Spec } | ({ readonly ok: false } & Fault);

/** Specs as they were read: the same object is asked about by each pass, and by each index and neighbour. */
const reads = new WeakMap<object, SpecRead>();
/** The one that was read last: the next one is much like it. */
let last: Spec | undefined;

/** The spec with its defaults, or the first of its faults; the API server has refused most of them already. */
export function readSpec(server: LicenceServer): SpecRead {
  const given: unknown = server.spec;
  if (typeof given !== 'object' || given === null) return parseSpec(given);
  let read = reads.get(given);
  if (read === undefined) {
    read = parseSpec(given);
    reads.set(given, read);
  }
  return read;
}

function parseSpec(given: unknown): SpecRead {
  const read = licenceServerSpec.safeParse(given);
  if (read.success) {
    last = sharing<Spec>(last, read.data);
    return { ok: true, spec: last };
  }
  const issue = read.error.issues[0];
  const path = ['spec', ...(issue?.path ?? [])].join('.');
  return { ok: false, reason: 'SpecInvalid', message: `${path}: ${issue?.message ?? 'not usable'}` };
}
