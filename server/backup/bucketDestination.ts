import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { S3mini, S3ServiceError } from 's3mini';
import type { Bucket } from './bucket.ts';
import { bucketFault } from './bucketFault.ts';
import type { Destination } from './destination.ts';

/** What goes out and comes in, with the proxies and certificates of this program; the signal's end is its end. */
export type Send = (input: string, init: Record<string, unknown>) => Promise<Response>;

/** So much is in memory at one time. S3 takes parts from 5 MiB on, and 10 000 of them. */
const partBytes = 8 << 20;
const type = 'application/octet-stream';

/** A bucket of S3, or of what speaks like it. Loaded only where one is used. */
export function bucketDestination(
  bucket: Bucket,
  send: Send,
  signal: AbortSignal,
  close: () => Promise<void>,
): Destination {
  const url = new URL(bucket.endpoint);
  if (bucket.pathStyle) url.pathname = `${url.pathname.replace(/\/$/, '')}/${bucket.bucket}`;
  else url.hostname = `${bucket.bucket}.${url.hostname}`;
  const s3 = new S3mini({
    accessKeyId: bucket.accessKeyId,
    secretAccessKey: bucket.secretAccessKey,
    endpoint: url.href,
    region: bucket.region,
    fetch: ((input: string, init: Record<string, unknown>) => send(input, init)) as unknown as typeof fetch,
  });
  const told = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      throw bucketFault(bucket, answered(error), error);
    }
  };
  const keyOf = (name: string) => `${bucket.prefix}${name}`;
  const put = async (key: string, content: AsyncIterable<Uint8Array>): Promise<number> => {
    let bytes = 0;
    let upload: string | undefined;
    const parts: { partNumber: number; etag: string }[] = [];
    try {
      for await (const { part, isLast } of partsOf(content)) {
        signal.throwIfAborted();
        bytes += part.length;
        if (isLast && upload === undefined) {
          await s3.putObject(key, part, type, undefined, sumOf(part));
          return bytes;
        }
        upload ??= await s3.getMultipartUploadId(key, type);
        parts.push(await s3.uploadPart(key, upload, part, parts.length + 1, {}, undefined, sumOf(part)));
      }
      const whole = await s3.completeMultipartUpload(key, upload ?? '', parts);
      // This answer has status 200 also where it tells of a failure.
      if (typeof whole.etag !== 'string') throw new Error('the parts were not put together');
      upload = undefined;
      return bytes;
    } finally {
      if (upload !== undefined) await s3.abortMultipartUpload(key, upload).catch(() => {});
    }
  };
  return {
    place: `bucket ${bucket.bucket} at ${bucket.endpoint}${bucket.prefix === '' ? '' : ` below ${bucket.prefix}`}`,
    list: () =>
      told(async () => {
        const found = await s3.listObjects('/', bucket.prefix);
        if (found === null) throw new S3ServiceError('there is no such bucket', 404, 'NoSuchBucket');
        return found
          .map((object) => ({ name: object.Key.slice(bucket.prefix.length), bytes: Number(object.Size) }))
          .filter(({ name }) => name !== '' && !name.includes('/'));
      }),
    put: (name, content) =>
      told(async () => {
        const bytes = await put(keyOf(name), content);
        const stored = await s3.getContentLength(keyOf(name));
        if (stored !== bytes) throw new Error(`${name} has ${stored} bytes there, not ${bytes}`);
        return bytes;
      }),
    get: (name) =>
      told(async () => {
        const answer = await s3.getObjectResponse(keyOf(name));
        if (answer?.body == null) throw new S3ServiceError('there is no such object', 404, 'NoSuchKey');
        return Readable.fromWeb(answer.body as unknown as ReadableStream);
      }),
    remove: (name) => told(async () => void (await s3.deleteObject(keyOf(name)))),
    sweep: (computer) =>
      told(async () => {
        const begun = (await s3.listMultipartUploads('/', '', 'GET', {
          prefix: keyOf(`licence-server-${computer}`),
        })) as unknown as Readonly<Record<string, unknown>>;
        for (const { key, uploadId } of uploadsIn(begun)) await s3.abortMultipartUpload(key, uploadId);
      }),
    close,
  };
}

/** Status and code of what was answered, if anything was. */
const answered = (error: unknown): { readonly status: number; readonly code: string | undefined } | undefined =>
  error instanceof S3ServiceError
    ? { status: error.status, code: error.serviceCode === 'Unknown' ? undefined : error.serviceCode }
    : undefined;

/** The server holds what came against this, so that nothing is changed on the way. */
const sumOf = (part: Uint8Array): Record<`x-amz-${string}`, string> =>
  ({ 'content-md5': createHash('md5').update(part).digest('base64') }) as never;

async function* partsOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<{ part: Uint8Array; isLast: boolean }> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  const take = () => {
    const part = Buffer.concat(held, bytes);
    [held, bytes] = [[], 0];
    return part;
  };
  for await (const chunk of content) {
    // Only what has a successor is not the last one.
    if (bytes >= partBytes) yield { part: take(), isLast: false };
    held.push(chunk);
    bytes += chunk.length;
  }
  yield { part: take(), isLast: true };
}

/** One upload is an object, several are a list; and the names of the members begin in either case. */
function uploadsIn(answer: Readonly<Record<string, unknown>>): { key: string; uploadId: string }[] {
  const result = (answer.ListMultipartUploadsResult ?? answer) as Readonly<Record<string, unknown>>;
  const uploads = result.Upload ?? result.upload;
  return [uploads].flat().flatMap((upload) => {
    const { Key, key = Key, UploadId, uploadId = UploadId } = (upload ?? {}) as Readonly<Record<string, unknown>>;
    return typeof key === 'string' && typeof uploadId === 'string' ? [{ key, uploadId }] : [];
  });
}
