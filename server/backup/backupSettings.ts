import { type Config, checkedText, oneOf, optionalInteger, text, textOr } from '../../runtime/config.ts';
import { scheduleFault } from '../../runtime/cron/schedule.ts';

const urlFault = (value: string): string | undefined => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url !== undefined && ['http:', 'https:'].includes(url.protocol) && url.username === '') return undefined;
  return 'must be an http or https URL without an account, such as https://s3.example.org';
};

/** What of the environment says where backups go, when, and what is in them. */
export const backupSettings = {
  LICENCE_BACKUP_SCHEDULE: checkedText(
    'when backups are made: five cron fields, as of a CronJob; unset: only by the command backup',
    scheduleFault,
  ),
  LICENCE_BACKUP_TIME_ZONE: textOr('time zone of that schedule, such as Europe/Moscow', 'UTC'),
  LICENCE_BACKUP_KEEP: optionalInteger('so many archives of this computer stay; unset with the next: all', 1, 10_000),
  LICENCE_BACKUP_KEEP_DAYS: optionalInteger('archives that are not older, in days, stay', 1, 36_500),
  LICENCE_BACKUP_SECRETS: oneOf(
    'whether identity and tokens are in archives; auto: if those are encrypted',
    ['auto', 'include', 'exclude'],
    'auto',
  ),
  LICENCE_BACKUP_RECIPIENTS: text('age recipients (age1…), separated by commas: archives are encrypted for them'),
  LICENCE_BACKUP_AGE_IDENTITY: text('file with the age identity (AGE-SECRET-KEY-…) that opens archives, for a restore'),
  LICENCE_BACKUP_DIR: text('folder that archives are put into'),
  LICENCE_BACKUP_S3_ENDPOINT: checkedText('or the S3 service that they are put into, without the bucket', urlFault),
  LICENCE_BACKUP_S3_REGION: textOr('its region', 'us-east-1'),
  LICENCE_BACKUP_S3_BUCKET: text('its bucket'),
  LICENCE_BACKUP_S3_PREFIX: text('what the names of objects begin with, such as accounting/head-office/'),
  LICENCE_BACKUP_S3_CREDENTIALS: text('directory with the files accessKeyId and secretAccessKey; read at each use'),
  LICENCE_BACKUP_S3_CA: text("PEM file of the service's certificate authorities, believed beside the system's"),
  LICENCE_BACKUP_S3_PATH_STYLE: oneOf(
    "whether the bucket's name stands in the path; else in the host name",
    ['true', 'false'],
    'true',
  ),
};
/** With the way out, which is the server's own. */
export type BackupConfig = Config<typeof backupSettings> & { readonly LICENCE_PROXY_FILE?: string | undefined };
