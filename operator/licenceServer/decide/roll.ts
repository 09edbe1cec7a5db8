import type { Owner } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import type { DeploymentView } from '../observe/deploymentView.ts';
import { askedOf } from '../pod/asked.ts';
import { factsOf, factsTextOf, type TemplateFacts } from '../pod/facts.ts';
import type { PodParts } from '../pod/template.ts';
import { type RestartReason, restartReasonsOf } from './restart.ts';

/** What a pod is to be made from, and what of it rolls now: the one answer for the pass that does it and for a preview. Pure. */
export interface Roll {
  /** Undefined: the Deployment is left as it is, or there is nothing to make one from. */
  readonly pod: PodParts | undefined;
  /** Why it rolls now. */
  readonly reasons: readonly RestartReason[];
  /** Why it would roll besides, by the operator's own change, which is not its turn yet. */
  readonly held: readonly RestartReason[];
  /** The operator's own change is in what rolls now. */
  readonly isOwn: boolean;
}

export interface RollInput {
  readonly owner: Owner;
  readonly spec: Spec;
  /** The Deployment as it is; undefined: there is none. */
  readonly before: DeploymentView | undefined;
  /** What the pod would be made from if nothing were held. */
  readonly parts: PodParts | undefined;
  /** Whether the operator's own change may go on now. */
  readonly isTurn: boolean;
  /** Nor may another content of a Secret or ConfigMap make it roll, which nobody's edit of the LicenceServer has asked for. */
  readonly credentialsWait?: boolean;
}

/**
 * What differs by the operator's own change: another default image, another rendering. A person's edit, even of long ago, is
 * told by what of the spec the pod was last made from; credentials are nobody's upgrade.
 */
function ownChanges(before: DeploymentView, target: TemplateFacts, spec: Spec, credentialsWait: boolean) {
  const asked = askedOf(spec);
  const isSame = (part: 'image' | 'config' | 'template') =>
    before.asked === undefined || before.asked[part] === asked[part];
  const { facts } = before;
  const isOther = (of: 'trust' | 'database') =>
    credentialsWait && facts[of] !== undefined && target[of] !== undefined && facts[of] !== target[of];
  return {
    trust: isOther('trust'),
    database: isOther('database'),
    image: facts.image !== target.image && isSame('image'),
    config: facts.config !== target.config && isSame('config'),
    template: facts.rest !== target.rest && isSame('template'),
  };
}

export function rollOf({ owner, spec, before, parts, isTurn, credentialsWait = false }: RollInput): Roll {
  const nothing = { reasons: [], held: [], isOwn: false };
  if (parts === undefined) return { pod: undefined, ...nothing };
  if (before === undefined) return { pod: withFacts(parts, owner, spec), ...nothing };
  const target = factsOf(owner, spec, parts);
  const wanted = restartReasonsOf(before.facts, target);
  const own = ownChanges(before, target, spec, credentialsWait);
  const isOwn = Object.values(own).some((is) => is);
  const roll = (made: PodParts, reasons: readonly RestartReason[]) =>
    reasons.length === 0
      ? { ...made, facts: before.factsText }
      : withFacts({ ...made, marks: { ...made.marks, restartReason: reasons.join(',') } }, owner, spec);
  if (!isOwn || isTurn) return { pod: roll(parts, wanted), reasons: wanted, held: [], isOwn };

  // The rest goes on: with the image and the settings that run, which a person's edit of something else is no consent to change.
  const kept = {
    ...parts,
    ...(own.image ? { image: before.facts.image } : {}),
    ...(own.config ? { config: before.facts.config } : {}),
    ...(own.trust ? { trust: before.facts.trust } : {}),
    ...(own.database ? { databaseDigest: before.facts.database } : {}),
  };
  const now = restartReasonsOf(before.facts, factsOf(owner, spec, kept));
  const others = now.filter((reason) => reason !== 'TemplateChanged' || !own.template);
  // A template cannot be rendered as another version did: it comes along if the pod rolls anyway, and stays as it is if not.
  if (others.length === 0 && own.template) return { pod: undefined, reasons: [], held: wanted, isOwn: false };
  return {
    pod: roll(kept, now),
    reasons: now,
    held: wanted.filter((reason) => !now.includes(reason)),
    isOwn: false,
  };
}

const withFacts = (parts: PodParts, owner: Owner, spec: Spec): PodParts => ({
  ...parts,
  facts: factsTextOf(factsOf(owner, spec, parts)),
});
