import { z } from 'zod';
import { listSet, objectName, withRules } from './parts.ts';
import { certificatesRef, cronSchedule, secretKeyRefOr, timeZone } from './shared.ts';

/** Backups and a start from one: `spec.backup` and `spec.restoreFrom`. */

const claim = z.object({
  claimName: objectName().describe(
    'Name of a PersistentVolumeClaim in the same namespace; the operator neither makes nor removes it. With more than one replica it has to be ReadWriteMany.',
  ),
  subPath: z
    .string()
    .min(1)
    .max(1024)
    .regex(/^[^/.][^/]*(\/[^/.][^/]*)*$/)
    .optional()
    .describe('Folder in the volume, such as accounting/head-office. Default: the whole volume.'),
});

const bucket = z.object({
  endpoint: withRules(z.string().min(1).max(2048), {
    rule: "isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != '' && !self.contains('@')",
    message: 'must be an http or https URL without an account',
    reason: 'FieldValueInvalid',
  }).describe('Address of the S3 service, without the bucket.'),
  region: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[a-zA-Z0-9-]+$/)
    .default('us-east-1')
    .describe('Region of the bucket. Default: us-east-1.'),
  bucket: z
    .string()
    .min(3)
    .max(63)
    .regex(/^[a-z0-9][a-z0-9.-]*[a-z0-9]$/)
    .describe('Name of the bucket.'),
  prefix: z
    .string()
    .max(512)
    .regex(/^([^/].*)?$/)
    .optional()
    .describe(
      'What the names of objects begin with, such as accounting/. Default: NAMESPACE/NAME/ of the LicenceServer.',
    ),
  credentialsSecretRef: z
    .object({ name: objectName().describe('Name of the Secret in the same namespace.') })
    .describe(
      'Secret with the account: accessKeyId and secretAccessKey (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY). A change needs no restart.',
    ),
  caRef: certificatesRef()
    .optional()
    .describe("PEM certificates of the service's certification authority, in addition to the system's. Default: none."),
  forcePathStyle: z
    .boolean()
    .default(true)
    .describe("Whether the bucket's name stands in the path; false: in the host name. Default: true."),
});

const destination = withRules(
  z.object({
    claim: claim.optional().describe('A volume of yours.'),
    s3: bucket.optional().describe('A bucket of S3, or of what speaks like it.'),
  }),
  {
    rule: 'has(self.claim) != has(self.s3)',
    message: 'exactly one of claim and s3 must be set',
    reason: 'FieldValueInvalid',
  },
);

const retention = withRules(
  z.object({
    keep: z.int().min(1).max(10_000).optional().describe('So many of the newest archives stay. Bounds: 1 to 10000.'),
    keepDays: z
      .int()
      .min(1)
      .max(36_500)
      .optional()
      .describe('Archives that are not older, in days, stay. Bounds: 1 to 36500.'),
  }),
  {
    rule: 'has(self.keep) || has(self.keepDays)',
    message: 'retention needs keep, keepDays or both',
    reason: 'FieldValueRequired',
  },
);

export const backup = z.object({
  schedule: cronSchedule('When backups are made', ' The first one is made at once.'),
  timeZone: timeZone(),
  retention: retention
    .optional()
    .describe(
      'Which archives of this computer stay; what neither number keeps goes, the newest never. Default: all stay.',
    ),
  encryption: z
    .object({
      recipients: listSet(
        z
          .array(
            z
              .string()
              .min(8)
              .max(4096)
              .regex(/^age1[a-z0-9]+$/),
          )
          .min(1)
          .max(8),
      ).describe(
        'Recipients of age (age-encryption.org), as age-keygen prints them: who can open the archives. At most 8.',
      ),
    })
    .optional()
    .describe('How archives are encrypted; the server cannot open them itself. Default: they are not.'),
  includeSecrets: z
    .boolean()
    .optional()
    .describe(
      'Whether the identity and the tokens are in the archives: who can read them is this computer. Default: true with encryption, else false.',
    ),
  destination: destination.describe('Where archives are put.'),
});

export const restoreFrom = z.object({
  archive: z
    .string()
    .min(1)
    .max(128)
    .regex(/^[A-Za-z0-9][A-Za-z0-9.-]*$/)
    .default('latest')
    .describe('Name of the archive, or latest. Default: latest.'),
  destination: destination.describe('Where the archives are, as in backup.'),
  identitySecretRef: secretKeyRefOr('the identity of age (AGE-SECRET-KEY-…) that opens the archive', 'identity')
    .optional()
    .describe('What opens an encrypted archive. Default: none.'),
});
