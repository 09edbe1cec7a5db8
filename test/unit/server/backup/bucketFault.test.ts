import { describe, expect, it } from 'vitest';
import { bucketFault } from '../../../../server/backup/bucketFault.ts';

const bucket = { bucket: 'licences', endpoint: 'https://s3.example.org' };
const place = 'bucket licences at https://s3.example.org';
const silent = (code: string) => new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) });

describe('what a bucket says is one sentence', () => {
  it.each([
    [403, 'AccessDenied', 'refuses (AccessDenied): the account needs the rights to list, read, write and delete there'],
    [403, 'SignatureDoesNotMatch', 'refuses (SignatureDoesNotMatch): put the right accessKeyId and secretAccessKey'],
    [403, undefined, 'refuses (status 403): the account needs the rights'],
    [404, 'NoSuchBucket', 'refuses (NoSuchBucket): there is no such bucket; make it, or name another'],
    [503, 'SlowDown', 'answers SlowDown'],
    [507, undefined, 'answers status 507'],
    [409, 'SomethingElse', 'refuses (SomethingElse)'],
  ])('status %i %s', (status, code, expected) => {
    const { message } = bucketFault(bucket, { status, code }, new Error('S3 returned it'));
    expect(message).toContain(`${place} ${expected}`);
  });
  it.each([
    ['ECONNREFUSED', 'does not answer (ECONNREFUSED)'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'its certificate is not believed: give the certificate of its authority'],
  ])('silence: %s', (code, expected) => {
    expect(bucketFault(bucket, undefined, silent(code)).message).toContain(expected);
  });
  it('silence that the client has wrapped', () => {
    const wrapped = new Error('S3 network error', { cause: silent('ECONNREFUSED') });
    expect(bucketFault(bucket, undefined, wrapped).message).toBe(`${place} does not answer (ECONNREFUSED)`);
  });
  it('a fault of its own is told as it is', () => {
    expect(bucketFault(bucket, undefined, new Error('x has 3 bytes there, not 4')).message).toBe(
      `${place}: x has 3 bytes there, not 4`,
    );
  });
});
