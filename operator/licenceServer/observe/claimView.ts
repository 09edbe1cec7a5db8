import type { KubeObject } from '../../kube/object.ts';

/** What an existing claim has that cannot be changed any more. */
export interface ExistingClaim {
  readonly storageClassName?: string | undefined;
  readonly accessModes?: readonly string[] | undefined;
  /** Requested size. */
  readonly size?: string | undefined;
}

/** A PersistentVolumeClaim as far as decisions go. */
export interface ClaimView extends ExistingClaim {
  readonly name: string;
  readonly phase: string;
  /** Somebody has deleted it: it stays only until no pod uses it any more. */
  readonly deleting: boolean;
  readonly capacity: string | undefined;
  /** What is under way, or wrong, with its growing; in the cluster's words. */
  readonly resize?: { readonly reason: string; readonly message: string } | undefined;
}

export function viewOfClaim(object: KubeObject): ClaimView {
  const claim = object as KubeObject & {
    readonly spec?: {
      readonly storageClassName?: string;
      readonly accessModes?: readonly string[];
      readonly resources?: { readonly requests?: { readonly storage?: string } };
    };
    readonly status?: {
      readonly phase?: string;
      readonly capacity?: { readonly storage?: string };
      readonly allocatedResourceStatuses?: { readonly storage?: string };
      readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
    };
  };
  return {
    name: claim.metadata.name,
    phase: claim.status?.phase ?? 'Pending',
    deleting: claim.metadata.deletionTimestamp !== undefined,
    capacity: claim.status?.capacity?.storage,
    resize: resizeOf(claim.status),
    storageClassName: claim.spec?.storageClassName,
    accessModes: claim.spec?.accessModes,
    size: claim.spec?.resources?.requests?.storage,
  };
}

/** The conditions of a claim that is growing: a fault goes before a wait, and the end of the way before its beginning. */
const resizeConditions = {
  ControllerResizeError: 'ResizeFailed',
  NodeResizeError: 'ResizeFailed',
  FileSystemResizePending: 'FileSystemResizePending',
  Resizing: 'Resizing',
} as const;

function resizeOf(
  status: {
    readonly allocatedResourceStatuses?: { readonly storage?: string };
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
  } = {},
): ClaimView['resize'] {
  for (const [type, reason] of Object.entries(resizeConditions)) {
    const found = status.conditions?.find((c) => c.type === type && c.status === 'True');
    if (found !== undefined) return { reason, message: found.message ?? '' };
  }
  const allocated = status.allocatedResourceStatuses?.storage;
  return allocated?.endsWith('Infeasible')
    ? { reason: 'ResizeFailed', message: `the storage system cannot do it (${allocated})` }
    : undefined;
}
