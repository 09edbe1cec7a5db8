import { z } from 'zod';
import { access } from './access.ts';
import { activation, keys } from './activation.ts';
import { backup, restoreFrom } from './backup.ts';
import { keyRotation } from './keyRotation.ts';
import { monitoring } from './monitoring.ts';
import { http, httpRoute } from './network.ts';
import { annotationMap, labelMap, listMap, objectName, withRules } from './parts.ts';
import { podTemplate, resources } from './pod.ts';
import { seats } from './seats.ts';
import { ingress, service } from './service.ts';
import { certificatesRef, secretKeyRefOr } from './shared.ts';
import { staleSeats } from './staleSeats.ts';
import { storage } from './storage.ts';

/**
 * What a person asks of a licence server: `spec` of LicenceServer v1beta1. A section of it is a file beside this one. One source for the CRD (`crd.ts`), the
 * TypeScript types (`types.ts`) and the operator's own check on arrival (`readSpec.ts`).
 *
 * Defaults stand here only where they are part of the API; a field without one may get a value from the operator, as its
 * description says. No list has a default, nor has anything in an item of one, so that what Git holds equals what the cluster
 * holds.
 */
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
