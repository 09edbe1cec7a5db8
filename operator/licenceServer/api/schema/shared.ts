import { z } from 'zod';
import { dataKey, listAtomic, objectName, withRules } from './parts.ts';

/** What several sections of the schema have alike: references to other objects of the namespace, schedules, annotations. */

const secretName = (what: string) =>
  objectName().describe(`Name of the Secret in the same namespace that holds ${what}.`);

export const secretKeyRef = (what: string) =>
  z.object({ name: secretName(what), key: dataKey().describe("Key in the Secret's data.") });

export const secretKeyRefOr = (what: string, keyDefault: string) =>
  z.object({
    name: secretName(what),
    key: dataKey().default(keyDefault).describe(`Key in the Secret's data. Default: ${keyDefault}.`),
  });

export const configMapKeyRef = (what: string, keyDefault: string) =>
  z.object({
    name: objectName().describe(`Name of the ConfigMap in the same namespace that holds ${what}.`),
    key: dataKey().default(keyDefault).describe(`Key in the ConfigMap's data. Default: ${keyDefault}.`),
  });

/** Certificates of authorities, in one of two places. */
export const certificatesRef = () =>
  withRules(
    z.object({
      configMap: configMapKeyRef('the certificates', 'ca.crt').optional().describe('Certificates in a ConfigMap.'),
      secret: secretKeyRefOr('the certificates', 'ca.crt').optional().describe('Certificates in a Secret.'),
    }),
    {
      rule: 'has(self.configMap) != has(self.secret)',
      message: 'exactly one of configMap and secret must be set',
      reason: 'FieldValueInvalid',
    },
  );

export const annotations = (of: string) =>
  z.record(z.string(), z.string().max(4096)).optional().describe(`Annotations of the ${of}. Default: none.`);

/** A list of texts without blanks and commas, which becomes one variable. */
export const wordList = (max: number) =>
  listAtomic(
    z
      .array(
        z
          .string()
          .min(1)
          .max(253)
          .regex(/^[^\s,]+$/),
      )
      .max(max),
  );

/** Five cron fields, as `cronFault` judges them. */
export const cronSchedule = (what: string, more = '') =>
  z
    .string()
    .min(9)
    .max(100)
    .regex(/^\S+( \S+){4}$/)
    .describe(
      `${what}: five cron fields (minute, hour, day, month, weekday), as in a CronJob; without L, W, # and ranges that go backwards.${more}`,
    );

export const timeZone = () =>
  z
    .string()
    .min(1)
    .max(64)
    .regex(/^[A-Za-z0-9_+\-/]+$/)
    .optional()
    .describe('IANA time zone of the schedule, such as Europe/Moscow. Default: UTC.');
