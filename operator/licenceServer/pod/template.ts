import type { PodDefaults } from '../api/defaults.ts';
import { digestOf } from '../api/digest.ts';
import { databaseDigest, podMarks } from '../api/metadata.ts';
import { containerName, containerPort, namesOf, podPaths, portName } from '../api/names.ts';
import { type Owner, selectorOf } from '../api/owner.ts';
import { isScalable } from '../api/scalable.ts';
import type { Spec } from '../api/types.ts';
import { destinationMounts, destinationVolumes } from './backup.ts';
import { databaseParts, isOfParts, uriOfParts } from './databaseParts.ts';
import { type Ground, groundOf, podSecurityOf } from './ground.ts';
import { overlay } from './overlay.ts';
import { proxyVolume } from './proxy.ts';

/** What a pod template is made from besides the spec. */
export interface PodParts {
  readonly image: string;
  /** Name of the keys copy. */
  readonly keys: string;
  /** Name of the configuration copy. */
  readonly config: string;
  /** Name of the trusted keys' copy, if the spec names any. */
  readonly trust?: string | undefined;
  /** The claim that holds the data. */
  readonly claim: string;
  /** What the operator was told for the pods of all. */
  readonly ground?: PodDefaults | undefined;
  readonly databaseDigest?: string | undefined;
  readonly marks: PodMarks;
  /** From `restOf`: as long as it is the same, whatever has no reason of its own is. */
  readonly rest: string;
  /** The facts of the roll that the template is of, as text (`factsTextOf`); undefined: it is of before there were any. */
  readonly facts?: string | undefined;
  /** When the operator decided a roll by itself that has not come to its end yet. */
  readonly pacedAt?: string | undefined;
  /** The last roll, as `lastRollText` has it; undefined: none is known. */
  readonly lastRoll?: string | undefined;
}

/** The parts that `restOf` depends on. */
type RestParts = Pick<PodParts, 'trust' | 'claim' | 'ground'>;

/** What the pod was made for, as it stands on the template. */
export interface PodMarks {
  readonly clearing?: string | undefined;
  readonly rolledAt?: string | undefined;
  readonly reactivation?: string | undefined;
  readonly restartReason?: string | undefined;
}

const present = <T>(value: T | undefined): value is T => value !== undefined;

type CaRef = NonNullable<NonNullable<Spec['activation']['authority']>['caRef']>;
const certificates = (name: string, { configMap, secret }: CaRef = {}): Record<string, unknown>[] => {
  const items = (key: string) => [{ key, path: 'ca.crt' }];
  return [
    ...(configMap === undefined ? [] : [{ name, configMap: { name: configMap.name, items: items(configMap.key) } }]),
    ...(secret === undefined ? [] : [{ name, secret: { secretName: secret.name, items: items(secret.key) } }]),
  ];
};

const volumesOf = (owner: Owner, spec: Spec, parts: PodParts) => {
  const names = namesOf(owner.name);
  // Readable by the server's group, by nobody else.
  const defaultMode = 0o440;
  const { groups } = spec.seats;
  return [
    { name: 'data', persistentVolumeClaim: { claimName: parts.claim } },
    { name: 'keys', secret: { secretName: parts.keys, defaultMode } },
    { name: 'identity', secret: { secretName: names.identity, defaultMode } },
    { name: 'tokens', secret: { secretName: names.tokens, defaultMode } },
    parts.trust === undefined ? undefined : { name: 'trust', configMap: { name: parts.trust } },
    ...certificates('ca', spec.activation.authority?.caRef),
    proxyVolume(spec.activation.authority?.proxy),
    ...certificates('database-ca', spec.database?.caRef),
    spec.tls === undefined ? undefined : { name: 'tls', secret: { secretName: spec.tls.secretName, defaultMode } },
    // Without it the rules that name a group fit nobody by that, which the server tells; no reason not to start.
    groups && { name: 'groups', configMap: { name: groups.configMapRef.name, optional: true } },
    ...(spec.backup === undefined ? [] : destinationVolumes(spec.backup.destination)),
    { name: 'sockets', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    { name: 'temporary', emptyDir: { sizeLimit: '256Mi' } },
  ].filter(present);
};

const mountsOf = (spec: Spec, parts: PodParts) => {
  const readOnly = (name: keyof typeof podPaths) => ({ name, mountPath: podPaths[name], readOnly: true });
  return [
    { name: 'data', mountPath: podPaths.data },
    readOnly('keys'),
    readOnly('identity'),
    readOnly('tokens'),
    parts.trust === undefined ? undefined : readOnly('trust'),
    spec.activation.authority?.caRef === undefined ? undefined : readOnly('ca'),
    spec.activation.authority?.proxy?.secretRef === undefined ? undefined : readOnly('proxy'),
    spec.database?.caRef && { name: 'database-ca', mountPath: podPaths.databaseCa, readOnly: true },
    spec.tls === undefined ? undefined : readOnly('tls'),
    spec.seats.groups === undefined ? undefined : readOnly('groups'),
    ...(spec.backup === undefined ? [] : destinationMounts(spec.backup.destination)),
    { name: 'sockets', mountPath: podPaths.sockets },
    { name: 'temporary', mountPath: podPaths.temporary },
  ].filter(present);
};

const databaseEnvironment = (spec: Spec, digest: string | undefined) => {
  const ref = spec.database?.secretRef;
  if (ref === undefined) return [];
  const from = (name: string, key: string, more = {}) => ({
    name,
    valueFrom: { secretKeyRef: { name: ref.name, key, ...more } },
  });
  if (!isOfParts(digest)) return [from('DATABASE_URL', ref.key)];
  const parts = Object.entries(databaseParts).map(([name, key]) =>
    from(name, key, name === 'PGPORT' ? { optional: true } : {}),
  );
  return [{ name: 'DATABASE_URL', value: uriOfParts }, ...parts];
};

/**
 * The id for which the server clears stale seats at its start, from the marks: a clearing's, and that of a restart which
 * a person asked for, since a restart by hand has always cleared them. Undefined: none was ever asked for.
 */
export function clearingIdOf(clearing: string | undefined, rolledAt: string | undefined): string | undefined {
  const parts = [clearing, rolledAt].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join('.').replaceAll(/[^A-Za-z0-9.-]/g, '-');
}

const environmentOf = (spec: Spec, parts: PodParts) => {
  const { marks } = parts;
  const clearing = clearingIdOf(marks.clearing, marks.rolledAt);
  return [
    // A start clears stale seats only if it was made for that, and only once.
    { name: 'LICENCE_CLEAR_STALE', value: clearing === undefined ? 'never' : `once:${clearing}` },
    marks.reactivation === undefined ? undefined : { name: 'LICENCE_REACTIVATE', value: marks.reactivation },
    ...databaseEnvironment(spec, parts.databaseDigest),
  ].filter(present);
};

const containerOf = (spec: Spec, parts: PodParts, { resources }: Ground) => {
  const scheme = spec.tls === undefined ? 'HTTP' : 'HTTPS';
  const probe = (path: string) => ({ httpGet: { path, port: portName, scheme }, timeoutSeconds: 3 });
  return {
    name: containerName,
    image: parts.image,
    ...(spec.imagePullPolicy === undefined ? {} : { imagePullPolicy: spec.imagePullPolicy }),
    ports: [{ name: portName, containerPort, protocol: 'TCP' }],
    envFrom: [{ configMapRef: { name: parts.config } }],
    env: environmentOf(spec, parts),
    volumeMounts: mountsOf(spec, parts),
    // A large database may take its time to recover after a crash.
    startupProbe: { ...probe('/healthz/live'), periodSeconds: 1, failureThreshold: 300 },
    livenessProbe: { ...probe('/healthz/live'), periodSeconds: 10, failureThreshold: 6 },
    // a busy node's slow answers are no reason to send the programs away: there may be no other pod
    readinessProbe: { ...probe('/healthz/ready'), periodSeconds: 3, failureThreshold: 5 },
    ...(resources === undefined ? {} : { resources }),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  };
};

/** A pod template, rendered. */
export interface Template {
  readonly metadata: { readonly labels: Record<string, string>; readonly annotations?: Record<string, string> };
  readonly spec: Record<string, unknown>;
}

/** Renders the template; the same parts give the same one. */
export function templateOf(owner: Owner, spec: Spec, parts: PodParts): Template {
  const ground = groundOf(spec, parts.ground);
  const { imagePullSecrets } = ground;
  const pod = {
    serviceAccountName: namesOf(owner.name).serviceAccount,
    // Only a server that judges the tokens of pods speaks to the API server.
    automountServiceAccountToken: spec.access.clients === 'ServiceAccount',
    // Variables of Services would look like settings of the server.
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 30,
    ...(imagePullSecrets === undefined ? {} : { imagePullSecrets }),
    securityContext: podSecurityOf(ground),
    ...(isScalable(spec)
      ? {
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'kubernetes.io/hostname',
              whenUnsatisfiable: 'ScheduleAnyway',
              labelSelector: { matchLabels: selectorOf(owner) },
            },
          ],
        }
      : {}),
    containers: [containerOf(spec, parts, ground)],
    volumes: volumesOf(owner, spec, parts),
  };
  const { clearing, rolledAt, reactivation, restartReason } = parts.marks;
  const ours = {
    [podMarks.clearing]: clearing,
    [podMarks.rolledAt]: rolledAt,
    [podMarks.reactivation]: reactivation,
    [podMarks.restartReason]: restartReason,
    [podMarks.facts]: parts.facts,
    [databaseDigest]: parts.databaseDigest,
  };
  const annotations = {
    ...spec.podTemplate?.metadata?.annotations,
    ...(Object.fromEntries(Object.entries(ours).filter(([, v]) => v !== undefined)) as Record<string, string>),
  };
  return {
    metadata: {
      labels: { ...spec.podTemplate?.metadata?.labels, ...selectorOf(owner) },
      // The API server keeps no empty map: one would differ from what stands there, and be written again, after each restart.
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec: spec.podTemplate?.spec === undefined ? pod : overlay(pod, spec.podTemplate.spec),
  };
}

/** Digest of the template without all that has a reason of its own to restart for, so that one change gives one reason. */
export const restOf = (owner: Owner, spec: Spec, { trust, claim, ground }: RestParts): string => {
  const blank = { image: '', keys: '', config: '', claim, ground, marks: {}, rest: '' };
  return digestOf(templateOf(owner, spec, trust === undefined ? blank : { ...blank, trust: '' }), 16);
};
