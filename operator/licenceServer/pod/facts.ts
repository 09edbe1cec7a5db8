import { canonical } from '../api/digest.ts';
import { databaseDigest, podMarks, templateDigest } from '../api/metadata.ts';
import { containerName } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { type PodParts, templateOf } from './template.ts';

/**
 * What a pod template was made of, as it was rendered. What the cluster made of the template afterwards (images that a policy
 * rewrites, containers and labels that are added at admission) is no part of it, and so no reason to restart.
 */
export interface TemplateFacts {
  readonly image: string;
  /** Name of the keys copy. */
  readonly keys: string;
  /** Name of the copy of the settings. */
  readonly config: string;
  /** Name of the copy of the trusted keys, if there is one. */
  readonly trust: string | undefined;
  /** Digest of the database's connection, if it is an external one. */
  readonly database: string | undefined;
  /** Digest of everything else in the template. */
  readonly rest: string;
  readonly clearing: string | undefined;
  readonly rolledAt: string | undefined;
  readonly reactivation: string | undefined;
}

/** The marks of a template, from its annotations. */
export const marksOf = (annotations: Readonly<Record<string, string>> = {}) => ({
  clearing: annotations[podMarks.clearing],
  rolledAt: annotations[podMarks.rolledAt],
  reactivation: annotations[podMarks.reactivation],
  restartReason: annotations[podMarks.restartReason],
});

/** What a template is made of, for `restartReasonsOf`: read from it as it is rendered, since an overlay may have its own image. */
export const factsOf = (owner: Owner, spec: Spec, parts: PodParts): TemplateFacts => ({
  ...factsOfTemplate(templateOf(owner, spec, parts)),
  rest: parts.rest,
});

/** Facts as an annotation has them. */
export const factsTextOf = (facts: TemplateFacts): string => canonical(facts);

interface ContainerLike {
  readonly name: string;
  readonly image?: string;
  readonly envFrom?: readonly { readonly configMapRef?: { readonly name?: string } }[];
}
interface VolumeLike {
  readonly name: string;
  readonly secret?: { readonly secretName?: string };
  readonly configMap?: { readonly name?: string };
}

/** As much of a Deployment as its facts are read from. */
interface DeploymentLike {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: { readonly template?: TemplateLike };
}

interface TemplateLike {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: {
    readonly containers?: readonly ContainerLike[];
    readonly volumes?: readonly VolumeLike[];
  };
}

/** The same facts of a Deployment in the cluster: as they were written, or, where they were not yet, from what stands there. */
export function factsOfDeployment({ metadata, spec }: DeploymentLike): TemplateFacts {
  const written = parseFacts(spec?.template?.metadata?.annotations?.[podMarks.facts]);
  return written ?? { ...factsOfTemplate(spec?.template), rest: metadata.annotations?.[templateDigest] ?? '' };
}

function parseFacts(text: string | undefined): TemplateFacts | undefined {
  if (text === undefined) return undefined;
  try {
    const facts = JSON.parse(text) as Partial<TemplateFacts>;
    const needed = [facts.image, facts.keys, facts.config, facts.rest];
    if (needed.some((fact) => typeof fact !== 'string')) return undefined;
    const { trust, database, clearing, rolledAt, reactivation } = facts;
    return { ...(facts as TemplateFacts), trust, database, clearing, rolledAt, reactivation };
  } catch {
    // Somebody wrote into it.
    return undefined;
  }
}

function factsOfTemplate(template: TemplateLike | undefined): Omit<TemplateFacts, 'rest'> {
  const container = template?.spec?.containers?.find((c) => c.name === containerName);
  const volume = (name: string) => template?.spec?.volumes?.find((v) => v.name === name);
  const annotations = template?.metadata?.annotations;
  const { clearing, rolledAt, reactivation } = marksOf(annotations);
  return {
    image: container?.image ?? '',
    keys: volume('keys')?.secret?.secretName ?? '',
    config: container?.envFrom?.find((e) => e.configMapRef !== undefined)?.configMapRef?.name ?? '',
    trust: volume('trust')?.configMap?.name,
    database: annotations?.[databaseDigest],
    clearing,
    rolledAt,
    reactivation,
  };
}
