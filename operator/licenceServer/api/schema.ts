import { z } from 'zod';
import { bounds } from '../../../licence/words.ts';
import { backup, restoreFrom } from './backupSchema.ts';
import { http, httpRoute, proxy } from './networkSchema.ts';
import {
  annotationMap,
  anyObject,
  dataKey,
  durationText,
  label,
  labelMap,
  listAtomic,
  listMap,
  listSet,
  objectName,
  quantity,
  quantityText,
  withRules,
} from './schemaParts.ts';
import { annotations, certificatesRef, configMapKeyRef, secretKeyRef, secretKeyRefOr } from './schemaRefs.ts';

/**
 * What a person asks of a licence server: `spec` of LicenceServer v1beta1. One source for the CRD (`crd.ts`), the
 * TypeScript types (`types.ts`) and the operator's own check on arrival (`validate.ts`).
 *
 * Defaults stand here only where they are part of the API; a field without one may get a value from the operator, as its
 * description says. No list has a default, nor has anything in an item of one, so that what Git holds equals what the cluster
 * holds.
 */

const keys = listMap(
  z
    .array(
      z.object({
        name: label().describe('Name of the key within this server; also its file name in the pod. Unique.'),
        secretRef: secretKeyRef('the key as the vendor gave it').describe(
          'Where the key is. With activation mode Offline the same Secret holds the signed activation under this key with ".activation" appended.',
        ),
      }),
    )
    .max(16),
  'name',
)
  .optional()
  .describe(
    'The keys to install. Default: none; keys can also be installed through the web page or the API. At most 16.',
  );

const authority = z.object({
  url: withRules(z.string().min(1).max(2048), {
    rule: "isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != ''",
    message: 'must be an http or https URL',
    reason: 'FieldValueInvalid',
  })
    .optional()
    .describe(
      "Where keys are activated: the base URL of the vendor's authority. Needed in mode Online as soon as there are keys.",
    ),
  trustedKeys: z
    .object({ configMapRef: configMapKeyRef('a JSON Web Key Set', 'jwks.json').describe("The key set's place.") })
    .optional()
    .describe("The public keys whose signature makes an activation genuine. Default: the vendor's keys in the image."),
  tokenSecretRef: secretKeyRefOr('a customer token of the authority', 'token')
    .optional()
    .describe(
      'A customer token, with which the operator has a new key made on request (annotation regenerate-at). Default: none.',
    ),
  proxy: proxy
    .optional()
    .describe(
      "The proxy through which the server, and the operator for it, reach the authority, and backups their bucket; with neither url nor secretRef: none. Default: the operator's (OPERATOR_SERVER_PROXY).",
    ),
  caRef: certificatesRef()
    .optional()
    .describe(
      "PEM certificates of the authority's certification authority, in addition to the system's. Default: none.",
    ),
});

const activation = withRules(
  z.object({
    mode: z
      .enum(['Online', 'Offline'])
      .default('Online')
      .describe(
        'Online: the server asks the authority by itself. Offline: a signed activation file is given beside the key. Default: Online.',
      ),
    authority: authority.optional().describe("The vendor's side. Default: none."),
  }),
  {
    rule: "self.mode != 'Offline' || !has(self.authority) || !has(self.authority.url)",
    message: 'mode Offline never asks an authority; remove authority.url',
    reason: 'FieldValueForbidden',
  },
);

const accessModes = ['ReadWriteOnce', 'ReadWriteOncePod', 'ReadWriteMany'] as const;

const storage = withRules(
  z.object({
    size: quantityText('256Mi')
      .optional()
      .describe(
        "Size of the volume. It can grow, never shrink. Default: 1Gi, room for 100,000 leases. Minimum: 256Mi, for small servers: under heavy load the database's log alone takes as much.",
      ),
    storageClassName: z
      .string()
      .max(253)
      .optional()
      .describe("Storage class of the volume. Cannot be changed. Default: the cluster's default class."),
    accessModes: listSet(z.array(z.enum(accessModes)).min(1).max(3))
      .optional()
      .describe(
        'Access modes of the volume. Cannot be changed. ReadWriteMany is needed for more than one replica. Default: ReadWriteOnce.',
      ),
    existingClaim: objectName()
      .optional()
      .describe(
        'Name of a PersistentVolumeClaim to use instead of making one; it is never removed. Only one LicenceServer can use a claim. Default: none.',
      ),
    reclaimPolicy: z
      .enum(['Retain', 'Delete'])
      .default('Retain')
      .describe(
        'What happens to the volume, the identity and the tokens when the LicenceServer is deleted. Retain: they stay, and a LicenceServer of the same name takes them over as the same computer. Delete: they go after the server has stopped. What stands here at the moment of the deletion counts. Default: Retain.',
      ),
  }),
  {
    rule: 'has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)',
    message: 'storageClassName cannot be changed',
    reason: 'FieldValueForbidden',
  },
  {
    rule: 'has(self.existingClaim) || has(oldSelf.existingClaim) || (has(self.accessModes) == has(oldSelf.accessModes) && (!has(self.accessModes) || (self.accessModes.all(m, m in oldSelf.accessModes) && oldSelf.accessModes.all(m, m in self.accessModes))))',
    message: 'accessModes cannot be changed',
    reason: 'FieldValueForbidden',
  },
  {
    rule: '!has(self.size) || !has(oldSelf.size) || !isQuantity(self.size) || !isQuantity(oldSelf.size) || quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0',
    message: 'size cannot shrink',
    reason: 'FieldValueForbidden',
  },
  {
    rule: '!has(self.existingClaim) || (!has(self.size) && !has(self.storageClassName))',
    message: 'existingClaim excludes size and storageClassName',
    reason: 'FieldValueForbidden',
  },
);

const namePattern = () => z.string().min(1).max(bounds.holderPart);
const patterns = (what: string) =>
  listSet(z.array(namePattern()).min(1).max(64))
    .optional()
    .describe(`The ${what} that may use these seats; "*" stands for any characters. Default: all. At most 64.`);

const reservation = withRules(
  z.object({
    name: label().optional().describe('Name of the reservation, in metrics. Default: made from its place in the list.'),
    product: z.string().min(1).max(bounds.product).describe('The product whose seats are kept.'),
    seats: z.int().min(1).max(100_000).describe('How many seats are kept. Bounds: 1 to 100000.'),
    users: patterns('users'),
    bases: patterns('bases'),
    hosts: patterns('hosts'),
  }),
  {
    rule: 'has(self.users) || has(self.bases) || has(self.hosts)',
    message: 'a reservation needs users, bases or hosts',
    reason: 'FieldValueRequired',
  },
);

const names = (what: string) =>
  listSet(z.array(namePattern()).min(1).max(64)).optional().describe(`${what}. Default: all. At most 64.`);
const seatCount = () => z.int().min(1).max(100_000);

const effects = ['allow', 'onlyThese', 'max', 'maxEach', 'reserve', 'priority'];
const rule = withRules(
  z.object({
    name: label().describe('Name of the rule, in refusals and metrics.'),
    product: z.string().min(1).max(bounds.product).describe('The product whose seats it is about.'),
    match: z
      .object({
        users: names('Users that it is about; "*" stands for any characters, "?" for one'),
        groups: listSet(z.array(dataKey()).min(1).max(64))
          .optional()
          .describe(
            'Groups of users or computers that it is about, beside the users: entries of groups.configMapRef. At most 64.',
          ),
        bases: names('Only in these bases'),
        hosts: names('Only on these computers'),
      })
      .optional()
      .describe('Whom it is about. Default: everybody.'),
    allow: withRules(z.boolean(), { rule: 'self == false', message: 'allow may only be false' })
      .optional()
      .describe('false: whoever matches gets no seat.'),
    onlyThese: withRules(z.boolean(), { rule: 'self == true', message: 'onlyThese may only be true' })
      .optional()
      .describe('true: of a product that has such rules only those who match one get a seat.'),
    max: seatCount().optional().describe('Seats of those who match, together. Bounds: 1 to 100000.'),
    maxEach: seatCount().optional().describe('Seats of each user who matches. Bounds: 1 to 100000.'),
    reserve: seatCount().optional().describe('Seats that are kept for those who match. Bounds: 1 to 100000.'),
    priority: z
      .int()
      .min(-1_000)
      .max(1_000)
      .optional()
      .describe(
        'Place in the queue: whoever has a higher one comes first. Everybody else has 0. Bounds: -1000 to 1000.',
      ),
  }),
  {
    rule: `[${effects.map((effect) => `has(self.${effect})`).join(', ')}].filter(has, has).size() == 1`,
    message: `a rule has one of ${effects.join(', ')}`,
    reason: 'FieldValueInvalid',
  },
);

const seats = z.object({
  leaseSeconds: z
    .int()
    .min(bounds.leaseSeconds.min)
    .max(bounds.leaseSeconds.max)
    .default(bounds.leaseSeconds.default)
    .describe(
      `How long a holder keeps its seat after its last heartbeat, in seconds. Default: ${bounds.leaseSeconds.default}. Bounds: ${bounds.leaseSeconds.min} to ${bounds.leaseSeconds.max}.`,
    ),
  reservations: listAtomic(z.array(reservation).max(64))
    .optional()
    .describe(
      'Seats kept for certain users, bases or hosts; rules with reserve do the same. Default: none. At most 64.',
    ),
  rules: listMap(z.array(rule).max(64), 'name')
    .optional()
    .describe(
      'Who may have seats, and how many; the first reserve and the first priority that match count. Default: none. At most 64.',
    ),
  groups: z
    .object({
      configMapRef: z
        .object({ name: objectName().describe('Name of the ConfigMap, in the namespace of this resource.') })
        .describe(
          'A ConfigMap with an entry a group: a name or a pattern a line. A change of it is taken up without a restart.',
        ),
    })
    .optional()
    .describe('Groups of users or computers that rules name. Default: none.'),
});

const window = z.object({
  schedule: z
    .string()
    .min(9)
    .max(100)
    .regex(/^\S+( \S+){4}$/)
    .describe(
      'When the window opens: five cron fields (minute, hour, day, month, weekday), as in a CronJob; without L, W, # and ranges that go backwards.',
    ),
  duration: durationText('1m', '24h').describe('How long the window stays open. Bounds: 1m to 24h.'),
  timeZone: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z0-9_+\-/]+$/)
    .optional()
    .describe('IANA time zone of the schedule, such as Europe/Moscow. Default: UTC.'),
});

const staleSeats = withRules(
  z.object({
    policy: z
      .enum(['Roll', 'Release', 'Ignore'])
      .default('Roll')
      .describe(
        'What is done about stale seats. Roll: the pod is restarted, which clears them. Release: they are released without a restart. Ignore: they are only counted. Default: Roll.',
      ),
    after: durationText('1m', '720h')
      .default('30m')
      .describe('Silence of a base after which its sticky seats are stale. Default: 30m. Bounds: 1m to 720h.'),
    threshold: z
      .int()
      .min(1)
      .max(100_000)
      .default(1)
      .describe('How many stale seats start a clearing. Default: 1. Bounds: 1 to 100000.'),
    when: z
      .enum(['Idle', 'Window', 'Exhausted', 'Always'])
      .default('Idle')
      .describe(
        'When a clearing may happen. Idle: no seat is in real use. Window: inside one of the windows. Exhausted: somebody was refused for want of a seat. Always: at any time. Default: Idle.',
      ),
    windows: listAtomic(z.array(window).min(1).max(16))
      .optional()
      .describe('Windows for "when: Window", here and in keyRotation. Default: none. At most 16.'),
    minInterval: durationText('1m', '720h')
      .default('1h')
      .describe('Shortest time between two clearings. Default: 1h. Bounds: 1m to 720h.'),
  }),
  {
    rule: "!has(self.when) || self.when != 'Window' || has(self.windows)",
    message: 'when: Window needs windows',
    reason: 'FieldValueRequired',
  },
);

const keyRotation = z.object({
  verifyTimeout: durationText('30s', '1h')
    .default('5m')
    .describe(
      'How long a new key may take to become active after the pod is ready, before the previous one is put back. An authority that cannot be reached only delays. Default: 5m. Bounds: 30s to 1h.',
    ),
  when: z
    .enum(['Always', 'Window'])
    .default('Always')
    .describe('When the pod may roll for a new key. Window: inside one of staleSeats.windows. Default: Always.'),
});

const labelSelector = z.object({
  matchLabels: z
    .record(z.string(), z.string().max(63))
    .optional()
    .describe('Labels that must be equal. Default: none.'),
  matchExpressions: listAtomic(
    z
      .array(
        z.object({
          key: z.string().min(1).max(317).describe('Label key.'),
          operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']).describe('How the label relates to the values.'),
          values: listAtomic(z.array(z.string().max(63)).max(64))
            .optional()
            .describe('Values for In and NotIn. Default: none.'),
        }),
      )
      .max(16),
  )
    .optional()
    .describe('Further conditions. Default: none.'),
});

const peer = withRules(
  z.object({
    podSelector: labelSelector.optional().describe('Pods, in the same namespace unless namespaceSelector is set.'),
    namespaceSelector: labelSelector.optional().describe('Namespaces; an empty selector stands for all.'),
    ipBlock: z
      .object({
        cidr: withRules(z.string().min(3).max(64), {
          rule: 'isCIDR(self)',
          message: 'must be an IPv4 or IPv6 address range',
          reason: 'FieldValueInvalid',
        }).describe('Address range, such as 10.0.0.0/8.'),
        except: listSet(z.array(z.string().max(64)).max(16))
          .optional()
          .describe('Ranges left out. Default: none.'),
      })
      .optional()
      .describe('An address range; excludes the selectors.'),
  }),
  {
    rule: 'has(self.ipBlock) ? (!has(self.podSelector) && !has(self.namespaceSelector)) : (has(self.podSelector) || has(self.namespaceSelector))',
    message: 'a peer is either an ipBlock or a podSelector, a namespaceSelector, or both selectors',
    reason: 'FieldValueInvalid',
  },
);

const access = z.object({
  clients: z
    .enum(['Token', 'ServiceAccount', 'Open'])
    .default('Token')
    .describe(
      'Who may take seats. Token: who knows the client token. ServiceAccount: pods with a projected token for the audience NAME.NAMESPACE.svc; a seat ends with its pod. Open: anybody who reaches it. Default: Token.',
    ),
  allowFrom: listAtomic(z.array(peer).max(64))
    .optional()
    .describe(
      'Who may reach the server over the network (NetworkPolicy peers). Default: pods of the same namespace. At most 64.',
    ),
});

const service = z.object({
  type: z
    .enum(['ClusterIP', 'NodePort', 'LoadBalancer'])
    .default('ClusterIP')
    .describe('Type of the Service. Default: ClusterIP.'),
  port: z.int().min(1).max(65_535).default(8080).describe('Port of the Service. Default: 8080. Bounds: 1 to 65535.'),
  annotations: annotations('Service'),
});

const ingress = z.object({
  host: z
    .string()
    .min(1)
    .max(253)
    .regex(/^(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/)
    .describe('Host name under which the server is reached.'),
  className: objectName().optional().describe("Ingress class. Default: the cluster's default class."),
  tlsSecretName: objectName().optional().describe("Secret with the host's certificate. Default: none, plain HTTP."),
  annotations: annotations('Ingress'),
});

const whether = (kind: string) =>
  z
    .enum(['Auto', 'Enabled', 'Disabled'])
    .default('Auto')
    .describe(`Whether a ${kind} is made. Auto: if the cluster knows the kind. Default: Auto.`);

const monitoring = z.object({
  serviceMonitor: whether('ServiceMonitor'),
  prometheusRule: z
    .enum(['Auto', 'Enabled', 'Disabled'])
    .default('Disabled')
    .describe(
      "Whether a PrometheusRule for this server alone is made. The operator's chart brings alerts for all servers, so this is for those who install without it. Auto: if the cluster knows the kind. Default: Disabled.",
    ),
  dashboard: z
    .enum(['Auto', 'Enabled', 'Disabled'])
    .default('Auto')
    .describe(
      'Whether a ConfigMap with a Grafana dashboard is made. Auto: if the cluster knows the kind ServiceMonitor. Default: Auto.',
    ),
  labels: labelMap()
    .optional()
    .describe(
      "Labels of the ServiceMonitor and the PrometheusRule, by which Prometheus finds them. Default: the operator's (OPERATOR_MONITORING_LABELS). At most 32.",
    ),
  annotations: annotationMap()
    .optional()
    .describe('Annotations of the ServiceMonitor and the PrometheusRule. Default: none. At most 32.'),
  dashboardLabels: labelMap()
    .optional()
    .describe(
      "Labels of the dashboard's ConfigMap, by which Grafana's sidecar finds it. Default: the operator's (OPERATOR_DASHBOARD_LABELS). At most 32.",
    ),
  dashboardAnnotations: annotationMap()
    .optional()
    .describe(
      "Annotations of the dashboard's ConfigMap, such as its folder. Default: the operator's (OPERATOR_DASHBOARD_ANNOTATIONS). At most 32.",
    ),
});

const resources = z.object({
  requests: z.record(z.string(), quantity()).optional().describe('What the container is sure to get. Default: none.'),
  limits: z.record(z.string(), quantity()).optional().describe('What the container can get at most. Default: none.'),
});

const podTemplate = z.object({
  metadata: z
    .object({
      labels: z.record(z.string(), z.string().max(63)).optional().describe('Further labels of the pod. Default: none.'),
      annotations: annotations('pod'),
    })
    .optional()
    .describe('Further labels and annotations. Default: none.'),
  spec: anyObject()
    .optional()
    .describe(
      'A pod spec laid over the one that the operator makes, with the merge rules of "kubectl patch --type strategic": containers, volumes and variables are matched by name. Default: none.',
    ),
});

export const licenceServerSpec = withRules(
  z.object({
    image: z
      .string()
      .min(1)
      .max(512)
      .regex(/^\S+$/)
      .optional()
      .describe('Image of the server, with tag or digest. Default: the one that this version of the operator brings.'),
    imagePullPolicy: z
      .enum(['Always', 'IfNotPresent', 'Never'])
      .optional()
      .describe('When the image is pulled. Default: as Kubernetes decides by the tag.'),
    imagePullSecrets: listMap(
      z
        .array(z.object({ name: objectName().describe('Name of the Secret in the same namespace.') }))
        .min(1)
        .max(16),
      'name',
    )
      .optional()
      .describe("Secrets for a private registry. Default: the operator's (OPERATOR_SERVER_PULL_SECRETS). At most 16."),
    fixedIds: z
      .enum(['Enabled', 'Disabled'])
      .optional()
      .describe(
        "Whether the pod names its uid, gid and fsGroup (10001) itself. Disabled: the cluster gives them, as OpenShift does. Default: the operator's (OPERATOR_FIXED_IDS), which leaves them out on OpenShift.",
      ),
    replicas: z
      .int()
      .min(1)
      .max(32)
      .default(1)
      .describe(
        'How many pods serve. More than one needs database and ReadWriteMany storage. Default: 1. Bounds: 1 to 32.',
      ),
    suspend: z
      .boolean()
      .default(false)
      .describe('Stops the server and keeps everything: volume, identity, seats. Default: false.'),
    keys,
    activation: activation.prefault({}).describe('How keys are activated. Default: Online.'),
    storage: storage
      .prefault({})
      .describe('Where activations and the embedded database live. Default: a 1Gi volume, retained.'),
    database: z
      .object({
        secretRef: secretKeyRefOr('the connection URI', 'uri').describe('Where the connection URI is.'),
        caRef: certificatesRef()
          .optional()
          .describe(
            "PEM certificates of the database's certification authority; connections are then checked (sslmode=verify-full) unless the URI says otherwise. A change needs no restart. Default: none.",
          ),
      })
      .optional()
      .describe('An external PostgreSQL. Default: PostgreSQL embedded in the server, data on the volume.'),
    backup: backup.optional().describe('Backups that the server makes of itself, on a schedule. Default: none.'),
    restoreFrom: restoreFrom
      .optional()
      .describe(
        'A backup that a new LicenceServer starts from, before it serves for the first time: the same computer. It happens once; what is there already is never written over. Default: none.',
      ),
    seats: seats.prefault({}).describe('How seats are held.'),
    staleSeats: staleSeats.prefault({}).describe('What happens to seats whose holder has gone silent.'),
    keyRotation: keyRotation.prefault({}).describe('How a changed key is put to work.'),
    access: access.prefault({}).describe('Who may use the server.'),
    service: service.prefault({}).describe('The Service in front of the server.'),
    ingress: ingress
      .optional()
      .describe('An Ingress in front of the Service; name its controller in access.allowFrom. Default: none.'),
    httpRoute: httpRoute
      .optional()
      .describe(
        'An HTTPRoute of the Gateway API in front of the Service, if the cluster knows the kind; name the Gateway in access.allowFrom. Default: none.',
      ),
    http: http
      .optional()
      .describe('What the server is to know of what stands in front of it. Default: nothing stands there.'),
    tls: z
      .object({ secretName: objectName().describe('Name of a Secret of type kubernetes.io/tls.') })
      .optional()
      .describe('TLS served by the pod itself, reloaded when the Secret changes. Default: none, plain HTTP.'),
    monitoring: monitoring.prefault({}).describe('Objects for Prometheus and Grafana.'),
    resources: resources
      .optional()
      .describe("Resources of the server's container. Default: the operator's (OPERATOR_SERVER_RESOURCES)."),
    commonLabels: labelMap()
      .optional()
      .describe(
        "Labels of every object that the operator makes for this server, besides the operator's (OPERATOR_COMMON_LABELS); pods have podTemplate.metadata. Default: none. At most 32.",
      ),
    commonAnnotations: annotationMap()
      .optional()
      .describe(
        "Annotations of every object that the operator makes for this server, besides the operator's (OPERATOR_COMMON_ANNOTATIONS); pods have podTemplate.metadata. Default: none. At most 32.",
      ),
    podTemplate: podTemplate
      .optional()
      .describe('What the pod has beyond what the operator gives it. Default: nothing.'),
  }),
  {
    rule: 'self.replicas <= 1 || has(self.database)',
    message: 'more than one replica needs database: the embedded one serves a single pod',
    reason: 'FieldValueInvalid',
  },
  {
    rule: "self.replicas <= 1 || has(self.storage.existingClaim) || (has(self.storage.accessModes) && 'ReadWriteMany' in self.storage.accessModes)",
    message: 'more than one replica needs storage.accessModes with ReadWriteMany',
    reason: 'FieldValueInvalid',
  },
  {
    rule: "self.keyRotation.when != 'Window' || has(self.staleSeats.windows)",
    message: 'keyRotation.when: Window needs staleSeats.windows',
    reason: 'FieldValueRequired',
  },
  {
    rule: "!has(self.keys) || size(self.keys) == 0 || self.activation.mode != 'Online' || (has(self.activation.authority) && has(self.activation.authority.url))",
    message: 'activation.authority.url is needed to activate keys in mode Online',
    reason: 'FieldValueRequired',
  },
).describe('What is asked of the licence server.');
