import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { ProblemError } from './problem.ts';

const invalid = (detail: string) => new ProblemError({ status: 400, reason: 'InvalidRequest', detail });

/**
 * A body is JSON in UTF-8 (RFC 8259, section 8.1) or nothing. Bytes that are no UTF-8 are refused by their place: to replace them
 * would make one name of many. One byte order mark is passed over. No member is treated specially, since every route picks
 * what it knows.
 */
export function readJsonPlainly(http: Pick<FastifyInstance, 'addContentTypeParser' | 'removeContentTypeParser'>): void {
  http.removeContentTypeParser(['application/json', 'text/plain']);
  http.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const charset = charsetOf(request.headers['content-type'] ?? '');
    if (charset !== 'utf-8') {
      const detail = `the body must be in utf-8, not in ${charset}`;
      return done(new ProblemError({ status: 415, reason: 'UnsupportedMediaType', detail }), undefined);
    }
    if (body.length === 0) return done(null, undefined);
    if (!isUtf8(body)) return done(invalid(`the body is not UTF-8: see its byte ${foreignByte(body)}`), undefined);
    const text = body.toString('utf8', startsWithMark(body) ? 3 : 0);
    try {
      done(null, JSON.parse(text));
    } catch {
      done(invalid('the body is not JSON'), undefined);
    }
  });
}

const startsWithMark = (body: Buffer): boolean => body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf;

/** The last one is kept: clients send the same header all the time. */
let lastType = '';
let lastCharset = 'utf-8';
function charsetOf(type: string): string {
  if (type === lastType) return lastCharset;
  const named = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(type)?.[1]?.toLowerCase() ?? 'utf-8';
  lastType = type;
  lastCharset = ['utf8', 'us-ascii'].includes(named) ? 'utf-8' : named;
  return lastCharset;
}

const replacement = '\ufffd';
/** Where the first sequence stands that is no UTF-8, in bytes from 0. */
function foreignByte(body: Buffer): number {
  const text = body.toString('utf8');
  let at = 0;
  for (let from = 0; ; ) {
    const next = text.indexOf(replacement, from);
    at += Buffer.byteLength(text.slice(from, next));
    // one that was sent as such is no fault
    if (body.toString('hex', at, at + 3) !== 'efbfbd') return at;
    at += 3;
    from = next + 1;
  }
}
