import type { KubeObject } from '../../kube/object.ts';
import { askedDigests, lastRoll, pacedAt, podMarks } from '../api/metadata.ts';
import { msOf } from '../api/times.ts';
import { type Asked, parseAsked } from '../pod/asked.ts';
import { factsOfDeployment, marksOf, type TemplateFacts } from '../pod/facts.ts';

/** A Deployment as far as decisions go. */
export interface DeploymentView {
  readonly facts: TemplateFacts;
  /** The same as they are written on it; undefined: it is of before they were. */
  readonly factsText: string | undefined;
  /** What of the spec it was made from; undefined: it is of before that was written down. */
  readonly asked: Asked | undefined;
  /** When the operator decided by itself that it rolls, until it has. */
  readonly pacedAt: string | undefined;
  /** When its pod was last made to roll, and why, as it is written on it. */
  readonly lastRoll?: string | undefined;
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

/** All its pods are of the latest template and ready, and there is at least one: a server that is stopped has none. */
export const runs = (view: Pick<DeploymentView, 'settled' | 'replicas'>): boolean => view.settled && view.replicas > 0;

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

/** @param since the generation since which its spec is as it is: of what has been said of that or a later one all holds */
export function viewOfDeployment(object: KubeObject, since = object.metadata.generation ?? 0): DeploymentView {
  const deployment = object as KubeObject & {
    readonly spec?: { readonly replicas?: number; readonly paused?: boolean } & Parameters<
      typeof factsOfDeployment
    >[0]['spec'];
    readonly status?: DeploymentStatus;
  };
  const wanted = deployment.spec?.replicas ?? 1;
  const { observedGeneration = 0, replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = deployment.status ?? {};
  const isSeen = observedGeneration >= since;
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
    lastRoll: deployment.metadata.annotations?.[lastRoll],
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
