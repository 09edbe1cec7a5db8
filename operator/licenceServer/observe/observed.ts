import type { Unheard } from '../../kube/namespaceWatch.ts';
import type { KubeObject } from '../../kube/object.ts';
import type { Fault } from '../api/fault.ts';
import { msOf } from '../api/times.ts';
import { askedDigests, pacedAt, podMarks } from '../api/types.ts';
import { factsOfDeployment } from '../build/deployment.ts';
import type { ExistingClaim } from '../build/persistentVolumeClaim.ts';
import { type Asked, parseAsked } from '../decide/asked.ts';
import { marksOf, type TemplateFacts } from '../decide/restart.ts';
import type { CheckResult } from '../decide/rotation.ts';
import type { RegenerationAnswer } from './authorityAnswer.ts';
import type { Found } from './found.ts';
import type { KeySource } from './keySources.ts';
import type { ServerAnswer } from './serverAnswer.ts';

/** What was seen of the world for one LicenceServer, as plain values. `observe.ts` gathers it; everything else reads it. */
export interface Observed {
  readonly atMs: number;
  readonly keySources: readonly KeySource[];
  /** Keys copies that exist, with the digest of each key in them. */
  readonly copies: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly deployment: DeploymentView | undefined;
  readonly claim: ClaimView | undefined;
  readonly identityExists: boolean;
  readonly fingerprint: string | undefined;
  /** Text of the trusted keys, if the spec names them and they were found. */
  readonly trust: Found;
  readonly ca: Found;
  readonly tls: Found;
  /** The database's Secret; `digest` of its connection URI. */
  readonly database: Found;
  readonly server: ServerAnswer;
  /** What the running server said of changed keys, if it was asked. */
  readonly check: CheckResult | undefined;
  /** What the authority answered of a key that is being regenerated, if it was asked. */
  readonly regeneration?: RegenerationAnswer | undefined;
  /** Optional kinds that are there and were listed. */
  readonly monitoring: { readonly serviceMonitor: boolean; readonly prometheusRule: boolean };
  /** Kinds of which nothing is heard in the namespace now, and why. */
  readonly unheard?: readonly Pick<Unheard, 'kind' | 'optional' | 'message'>[];
  readonly fleet: Fleet;
  /** Why a server that is to run has no pod that takes requests, if that can be told. */
  readonly noPod?: Fault | undefined;
  /** When to look at its pods again. */
  readonly lookAtMs?: number | undefined;
  /** Name of an older LicenceServer that uses the same claim. */
  readonly claimHolder: string | undefined;
}

/** The other servers' rollouts. */
export interface Fleet {
  /** Whether one more may roll now. */
  readonly budget: boolean;
  /** Why not, and who is in the way. */
  readonly message: string;
}

/** All its pods are of the latest template and ready, and there is at least one: a server that is stopped has none. */
export const runs = (view: Pick<DeploymentView, 'settled' | 'replicas'>): boolean => view.settled && view.replicas > 0;

export interface DeploymentView {
  readonly facts: TemplateFacts;
  /** The same as they are written on it; undefined: it is of before they were. */
  readonly factsText: string | undefined;
  /** What of the spec it was made from; undefined: it is of before that was written down. */
  readonly asked: Asked | undefined;
  /** When the operator decided by itself that it rolls, until it has. */
  readonly pacedAt: string | undefined;
  /** A person has stopped it (`kubectl rollout pause`). */
  readonly stopped: boolean;
  readonly restartReason: string | undefined;
  /** The controller has seen the latest template, and every wanted pod is of it and ready. */
  readonly settled: boolean;
  readonly replicas: number;
  readonly available: number;
  /** Why the rollout does not come to an end, if the deadline has passed. */
  readonly failure: string | undefined;
  /** Why the cluster makes no pod of it, in its own words: a quota, a policy. */
  readonly refused?: string | undefined;
  /** Since when it has no pod, or too few, that takes requests. */
  readonly awaySinceMs?: number | undefined;
}

interface DeploymentStatus {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly updatedReplicas?: number;
  readonly availableReplicas?: number;
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason?: string;
    readonly message?: string;
    readonly lastTransitionTime?: string;
  }[];
}

/** A Deployment as far as decisions go. */
export function viewOfDeployment(object: KubeObject): DeploymentView {
  const deployment = object as KubeObject & {
    readonly spec?: { readonly replicas?: number; readonly paused?: boolean } & Parameters<
      typeof factsOfDeployment
    >[0]['spec'];
    readonly status?: DeploymentStatus;
  };
  const wanted = deployment.spec?.replicas ?? 1;
  const { observedGeneration = 0, replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = deployment.status ?? {};
  const isSeen = observedGeneration >= (deployment.metadata.generation ?? 0);
  const progressing = deployment.status?.conditions?.find((c) => c.type === 'Progressing');
  const conditionOf = (type: string, status: string) =>
    deployment.status?.conditions?.find((c) => c.type === type && c.status === status);
  const refused = availableReplicas < wanted ? conditionOf('ReplicaFailure', 'True') : undefined;
  const hasFailed = isSeen && progressing?.reason === 'ProgressDeadlineExceeded' && availableReplicas < wanted;
  const marks = deployment.spec?.template?.metadata?.annotations;
  return {
    facts: factsOfDeployment(deployment),
    factsText: marks?.[podMarks.facts],
    asked: parseAsked(deployment.metadata.annotations?.[askedDigests]),
    pacedAt: deployment.metadata.annotations?.[pacedAt],
    stopped: deployment.spec?.paused === true,
    restartReason: marksOf(marks).restartReason,
    settled: isSeen && replicas === wanted && updatedReplicas === wanted && availableReplicas === wanted,
    replicas,
    available: availableReplicas,
    failure: hasFailed ? (progressing?.message ?? 'the rollout did not end in time') : undefined,
    refused: refused && (refused.message ?? refused.reason ?? 'it is not said why'),
    awaySinceMs: msOf(conditionOf('Available', 'False')?.lastTransitionTime),
  };
}

/** Name of the claim that the pods of a Deployment have as their data. */
export function claimMountedBy(deployment: KubeObject | undefined): string | undefined {
  const { spec } = (deployment ?? {}) as { readonly spec?: { readonly template?: { readonly spec?: PodVolumes } } };
  return spec?.template?.spec?.volumes?.find(({ name }) => name === 'data')?.persistentVolumeClaim?.claimName;
}

interface PodVolumes {
  readonly volumes?: readonly {
    readonly name: string;
    readonly persistentVolumeClaim?: { readonly claimName?: string };
  }[];
}

export interface ClaimView extends ExistingClaim {
  readonly name: string;
  readonly phase: string;
  /** Somebody has deleted it: it stays only until no pod uses it any more. */
  readonly deleting: boolean;
  readonly capacity: string | undefined;
  /** What is under way, or wrong, with its growing; in the cluster's words. */
  readonly resize?: { readonly reason: string; readonly message: string } | undefined;
}

/** A claim as far as decisions go. */
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
