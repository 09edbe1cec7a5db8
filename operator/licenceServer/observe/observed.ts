import type { Unheard } from '../../kube/namespaceWatch.ts';
import type { Fault } from '../api/fault.ts';
import type { RegenerationAnswer } from './authorityAnswer.ts';
import type { CheckResult } from './checkResult.ts';
import type { ClaimView } from './claimView.ts';
import type { DeploymentView } from './deploymentView.ts';
import type { Found } from './found.ts';
import type { KeySource } from './keySources.ts';
import type { RestoreReport } from './restoreReport.ts';
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
  readonly databaseCa?: Found;
  /** The URL of the proxy, if it is in a Secret. */
  readonly proxy?: Found;
  /** The database's Secret; `digest` of its connection URI. */
  readonly database: Found;
  readonly server: ServerAnswer;
  /** What the running server said of changed keys, if it was asked. */
  readonly check: CheckResult | undefined;
  /** What the authority answered of a key that is being regenerated, if it was asked. */
  readonly regeneration?: RegenerationAnswer | undefined;
  /** Optional kinds that are there and were listed. */
  readonly monitoring: { readonly serviceMonitor: boolean; readonly prometheusRule: boolean };
  /** Whether the cluster knows HTTPRoutes. */
  readonly knowsRoutes?: boolean;
  /** Kinds of which nothing is heard in the namespace now, and why. */
  readonly unheard?: readonly Pick<Unheard, 'kind' | 'optional' | 'message'>[];
  readonly fleet: Fleet;
  /** Why a server that is to run has no pod that takes requests, if that can be told. */
  readonly noPod?: Fault | undefined;
  /** When to look at its pods again. */
  readonly lookAtMs?: number | undefined;
  /** The Secret of a start from a backup, what it reports, and another LicenceServer that is the same computer and may run. */
  readonly restore?:
    | { readonly exists: boolean; readonly report?: RestoreReport | undefined; readonly twin?: string | undefined }
    | undefined;
  /** What backups need and is not there, in a sentence each. */
  readonly backup?: { readonly secretMissing?: string; readonly claimMissing?: string } | undefined;
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
