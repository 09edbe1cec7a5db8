import { causeOfSilence } from '../../runtime/silence.ts';
import type { Bucket } from './bucket.ts';

/** What a bucket refuses, or why it is silent, as one sentence that says what to do. No key of an account stands in it. */

const rights = 'the account needs the rights to list, read, write and delete there';
const credentials = 'put the right accessKeyId and secretAccessKey into the Secret';
const advice: Readonly<Record<string, string>> = {
  NoSuchBucket: 'there is no such bucket; make it, or name another',
  NoSuchKey: 'there is no such archive',
  AccessDenied: rights,
  AllAccessDisabled: rights,
  InvalidAccessKeyId: credentials,
  SignatureDoesNotMatch: credentials,
  ExpiredToken: credentials,
  AuthorizationHeaderMalformed: 'the region is another one; name it in region',
  PermanentRedirect: 'the bucket is elsewhere; name its own endpoint and region',
  TemporaryRedirect: 'the bucket is elsewhere; name its own endpoint and region',
  RequestTimeTooSkewed: "this computer's clock is wrong; set it",
  QuotaExceeded: 'its quota is used up; keep fewer archives, or raise the quota',
  ObjectLockConfigurationNotFoundError: rights,
};

export function bucketFault(
  { bucket, endpoint }: Pick<Bucket, 'bucket' | 'endpoint'>,
  answered: { readonly status: number; readonly code: string | undefined } | undefined,
  error: unknown,
): Error {
  const place = `bucket ${bucket} at ${endpoint}`;
  if (answered === undefined) {
    if (!(error instanceof Error) || isOwnFault(error)) return new Error(`${place}: ${messageOf(error)}`);
    const silence = causeOfSilence(inmost(error));
    const ca = /CERT|SIGNATURE|SELF_SIGNED|ALTNAME/.test(silence)
      ? '; its certificate is not believed: give the certificate of its authority'
      : '';
    return new Error(`${place} does not answer (${silence})${ca}`);
  }
  const { status, code } = answered;
  const said = code === undefined ? `status ${status}` : code;
  const known = code === undefined ? undefined : advice[code];
  const what = known ?? (status === 403 ? rights : status === 404 ? advice.NoSuchBucket : undefined);
  if (status >= 500) return new Error(`${place} answers ${said}`);
  return new Error(`${place} refuses (${said})${what === undefined ? '' : `: ${what}`}`);
}

/** The client wraps what the request failed with, which has a cause of its own. */
const inmost = (error: Error): Error =>
  error.cause instanceof Error && error.cause.cause instanceof Error ? inmost(error.cause) : error;

/** Nothing of the network. */
const isOwnFault = (error: Error): boolean => error.cause === undefined && !('code' in error) && error.name === 'Error';
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
