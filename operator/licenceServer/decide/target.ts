import type { Defaults } from '../api/defaults.ts';
import { namesOf } from '../api/names.ts';
import type { Observed } from '../observe/observed.ts';
import { settingsNameOf, settingsOf } from '../pod/settings.ts';
import { type PodParts, restOf } from '../pod/template.ts';
import { type Roll, rollOf } from './roll.ts';
import type { Valid } from './validate.ts';

/** Where all of this leads once nothing is in its way any more: what the pod is made from then, and why it rolls for it. */
export function targetOf(valid: Valid, observed: Observed, defaults: Defaults): Roll {
  const { owner, spec, desiredKeys } = valid;
  const before = observed.deployment;
  const parts = partsOf(valid, observed, defaults, desiredKeys.ok ? desiredKeys.copy : before?.facts.keys);
  return rollOf({ owner, spec, before, parts, isTurn: true });
}

/** What the pod is made from. Something that has gone missing since is kept as the running pod has it. */
export function partsOf(
  valid: Valid,
  observed: Observed,
  defaults: Defaults,
  keys: string | undefined,
): PodParts | undefined {
  if (keys === undefined) return undefined;
  const { owner, spec } = valid;
  const names = namesOf(owner.name);
  const before = observed.deployment?.facts;
  const { database } = observed;
  const trust =
    observed.trust.kind === 'unasked'
      ? undefined
      : observed.trust.kind === 'found'
        ? names.trust(observed.trust.digest)
        : before?.trust;
  const claim = spec.storage.existingClaim ?? names.claim;
  const ground = defaults.pods;
  return {
    image: spec.image ?? defaults.image,
    keys,
    config: settingsNameOf(owner, settingsOf(owner, spec, defaults)),
    trust,
    claim,
    ground,
    databaseDigest:
      database.kind === 'unasked' ? undefined : database.kind === 'found' ? database.digest : before?.database,
    marks: {
      clearing: before?.clearing,
      rolledAt: valid.requests.rollAt ?? before?.rolledAt,
      reactivation: valid.requests.reactivateAt ?? before?.reactivation,
      restartReason: observed.deployment?.restartReason,
    },
    rest: restOf(owner, spec, { trust, claim, ground }),
  };
}
