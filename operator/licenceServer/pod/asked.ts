import { digestOf } from '../api/digest.ts';
import { containerName } from '../api/names.ts';
import { isScalable } from '../api/scalable.ts';
import type { Spec } from '../api/types.ts';
import { proxySettings } from './proxy.ts';
import { httpSettings } from './settings.ts';

/**
 * Whether a person asked for a roll, told by what differs: digests of what of the spec each part of the pod comes from. They
 * stand beside what was rendered from it, so they tell an edit from another rendering by another version of the operator,
 * whenever either was made. A field that is not named here counts as the operator's own change: it waits for its turn.
 */
export interface Asked {
  /** Of another form nothing is known: what differs then is the operator's own change. */
  readonly form: number;
  readonly image: string;
  readonly config: string;
  readonly template: string;
}

/** To be counted up with each change of what is digested: otherwise every server would seem to be edited at an upgrade, and roll at once. */
const form = 1;

export function askedOf(spec: Spec): Asked {
  const { access, activation, backup, database, fixedIds, http, podTemplate, seats, staleSeats, storage, tls } = spec;
  const { caRef, trustedKeys, url } = activation.authority ?? {};
  const containers = (podTemplate?.spec?.containers ?? []) as readonly { name?: unknown; image?: unknown }[];
  return {
    form,
    image: digestOf([spec.image ?? '', containers.find(({ name }) => name === containerName)?.image ?? '']),
    config: digestOf([
      [access.clients, isScalable(spec)],
      [activation.mode === 'Online' ? (url ?? '') : '', trustedKeys !== undefined, caRef !== undefined],
      tls !== undefined,
      [
        seats.leaseSeconds,
        seats.reservations ?? [],
        // what came later is named only where it is used, so that nothing else seems to be edited
        ...(seats.rules === undefined || seats.rules.length === 0 ? [] : [{ rules: seats.rules }]),
        ...(seats.groups === undefined ? [] : ['groups']),
      ],
      staleSeats.after,
      ...later(proxySettings(activation.authority?.proxy)),
      ...later(httpSettings(http)),
      ...(database?.caRef === undefined ? [] : ['databaseCa']),
      // Without it the digest is the same as of a version that did not know it.
      ...(backup === undefined ? [] : [{ ...backup, destination: placeOf(backup.destination) }]),
    ]),
    template: digestOf([
      [access.clients, isScalable(spec)],
      [caRef ?? {}, trustedKeys !== undefined, tls ?? {}, ...(seats.groups === undefined ? [] : [seats.groups])],
      [spec.imagePullPolicy ?? '', spec.imagePullSecrets ?? [], spec.resources ?? {}, podTemplate ?? {}],
      [database ?? {}, storage.existingClaim ?? ''],
      ...(activation.authority?.proxy?.secretRef === undefined
        ? []
        : [{ proxy: activation.authority.proxy.secretRef }]),
      ...(backup === undefined ? [] : [mountedOf(backup.destination)]),
      ...(fixedIds === undefined ? [] : [{ fixedIds }]),
    ]),
  };
}

/** What came later is in a digest only where it says something: without it that is the same as of a version that did not know it. */
const later = (settings: Record<string, string>) => (Object.keys(settings).length === 0 ? [] : [settings]);

type Destination = NonNullable<Spec['backup']>['destination'];
/** What the settings say of where backups go, and what of it is mounted. */
const placeOf = ({ claim, s3 }: Destination) => {
  const { credentialsSecretRef: _, caRef, ...place } = s3 ?? {};
  return s3 === undefined ? claim !== undefined : { ...place, hasCa: caRef !== undefined };
};
const mountedOf = ({ claim, s3 }: Destination) => claim ?? [s3?.credentialsSecretRef ?? {}, s3?.caRef ?? {}];

/** As it was written; undefined: it was not, or by hand, or in another form. */
export function parseAsked(text: string | undefined): Asked | undefined {
  if (text === undefined) return undefined;
  try {
    const asked = JSON.parse(text) as Partial<Asked>;
    const { image, config, template } = asked;
    if (asked.form !== form || [image, config, template].some((digest) => typeof digest !== 'string')) return undefined;
    return { form, image, config, template } as Asked;
  } catch {
    return undefined;
  }
}
