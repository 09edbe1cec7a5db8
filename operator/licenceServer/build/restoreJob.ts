import type { Defaults } from '../api/defaults.ts';
import { digestOf } from '../api/digest.ts';
import { labels } from '../api/metadata.ts';
import { containerName, namesOf, podPaths, secretKeys } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import type { Spec } from '../api/types.ts';
import { destinationMounts, destinationSettings, destinationVolumes } from '../pod/backup.ts';
import { proxySettings } from '../pod/proxy.ts';
import { databaseTrust } from '../pod/settings.ts';
import { type PodParts, templateOf } from '../pod/template.ts';
import { type Child, ownedMeta } from './object.ts';

/** What a start from a backup is made of: a Job, the Secret that it reports in, and the right to that Secret alone. Pure. */

export const restoreSecret = (owner: Owner): Child => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: ownedMeta(owner, namesOf(owner.name).restored),
  type: 'Opaque',
});

const rbac = 'rbac.authorization.k8s.io';
export const restoreRole = (owner: Owner): Child => ({
  apiVersion: `${rbac}/v1`,
  kind: 'Role',
  metadata: ownedMeta(owner, namesOf(owner.name).restore),
  rules: [
    { apiGroups: [''], resources: ['secrets'], resourceNames: [namesOf(owner.name).restored], verbs: ['get', 'patch'] },
  ],
});
export const restoreRoleBinding = (owner: Owner): Child => ({
  apiVersion: `${rbac}/v1`,
  kind: 'RoleBinding',
  metadata: ownedMeta(owner, namesOf(owner.name).restore),
  roleRef: { apiGroup: rbac, kind: 'Role', name: namesOf(owner.name).restore },
  subjects: [{ kind: 'ServiceAccount', name: namesOf(owner.name).serviceAccount, namespace: owner.namespace }],
});

interface Container {
  readonly name: string;
  readonly env?: readonly { readonly name: string }[];
  readonly volumeMounts?: readonly { readonly name: string }[];
}
interface Pod {
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string }[];
}

/** Never two that differ on one volume: another wish is another name, and the one before goes first. */
export const restoreLabels = { component: 'restore' } as const;

/**
 * The Job, as the server's own pod would be, so that it runs wherever and as whoever that one will; but it serves nobody.
 * @param hasIdentity the identity is there already, and the archive has to be of it
 */
export function restoreJob(
  owner: Owner,
  spec: Spec,
  parts: PodParts,
  from: NonNullable<Spec['restoreFrom']>,
  hasIdentity: boolean,
  defaults: Pick<Defaults, 'proxy'> = {},
): Child {
  const { backup: _, ...plain } = spec;
  const pod = templateOf(owner, plain, parts).spec as unknown as Pod & Record<string, unknown>;
  const names = namesOf(owner.name);
  const kept = ['data', 'sockets', 'temporary', 'proxy', 'database-ca', ...(hasIdentity ? ['identity'] : [])];
  const age = from.identitySecretRef;
  const settings = {
    LICENCE_DATA_DIR: podPaths.data,
    LICENCE_SOCKET_DIR: podPaths.sockets,
    ...(hasIdentity ? { LICENCE_IDENTITY_FILE: `${podPaths.identity}/${secretKeys.identity}` } : {}),
    ...databaseTrust(spec),
    ...proxySettings(spec.activation.authority?.proxy, defaults.proxy),
    ...destinationSettings(owner, from.destination),
    ...(age === undefined ? {} : { LICENCE_BACKUP_AGE_IDENTITY: `${podPaths.ageIdentity}/identity` }),
  };
  const more = {
    volumes: [
      ...destinationVolumes(from.destination),
      ...(age === undefined
        ? []
        : [
            {
              name: 'age',
              secret: {
                secretName: age.name,
                items: [{ key: age.key, path: 'identity' }],
                defaultMode: 0o440,
                optional: true,
              },
            },
          ]),
    ],
    mounts: [
      ...destinationMounts(from.destination).map((mount) => ({ ...mount, readOnly: true })),
      ...(age === undefined ? [] : [{ name: 'age', mountPath: podPaths.ageIdentity, readOnly: true }]),
    ],
  };
  const containers = pod.containers.map((container) => {
    if (container.name !== containerName) return container;
    const { envFrom, ports, startupProbe, livenessProbe, readinessProbe, ...rest } = container as Container &
      Record<string, unknown>;
    const ours = ['LICENCE_CLEAR_STALE', 'LICENCE_REACTIVATE'];
    return {
      ...rest,
      args: ['restore', from.archive, '--report-secret', names.restored],
      env: [
        ...Object.entries(settings).map(([name, value]) => ({ name, value })),
        ...(container.env ?? []).filter(({ name }) => !ours.includes(name)),
      ],
      volumeMounts: [...(container.volumeMounts ?? []).filter(({ name }) => kept.includes(name)), ...more.mounts],
    };
  });
  const template = {
    metadata: { labels: { [labels.name]: 'licence-server-restore', [labels.instance]: owner.name } },
    spec: {
      ...pod,
      automountServiceAccountToken: true,
      restartPolicy: 'OnFailure',
      containers,
      volumes: [...pod.volumes.filter(({ name }) => kept.includes(name)), ...more.volumes],
    },
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: ownedMeta(owner, `${names.restore}-${digestOf(template, 8)}`, {
      labels: { [labels.component]: restoreLabels.component },
    }),
    // It tells its faults itself, and tries again.
    spec: { backoffLimit: 1_000, template },
  } as Child;
}
