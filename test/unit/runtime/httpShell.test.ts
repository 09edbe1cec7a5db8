import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { StoreUnavailable } from '../../../runtime/database/fault.ts';
import { createHttp, type Http, listenOn } from '../../../runtime/httpShell.ts';
import { createLog } from '../../../runtime/log.ts';
import { ProblemError } from '../../../runtime/problem.ts';

const open: Http[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((http) => http.close()));
});

function app(): Http {
  const http = createHttp(createLog('test', 'silent'), { bodyBytes: 1_000 });
  open.push(http);
  http.post('/seats', { schema: { body: z.object({ product: z.string().min(1) }) } }, async () => ({ ok: true }));
  http.get('/refused', async () => {
    throw new ProblemError({
      status: 409,
      reason: 'SeatsExhausted',
      detail: 'no seat is free',
      extra: { inUse: 5 },
      retryAfterSeconds: 7,
    });
  });
  http.get('/bug', async () => {
    throw new Error('a secret detail');
  });
  http.get('/unavailable', async () => {
    throw new StoreUnavailable(new Error('connect ECONNREFUSED 10.0.0.7:5432'));
  });
  return http;
}

describe('the http shell', () => {
  it('answers a refusal as a problem document with its reason, members and Retry-After', async () => {
    const answer = await app().inject({ url: '/refused' });
    expect(answer.statusCode).toBe(409);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.headers['retry-after']).toBe('7');
    expect(answer.json()).toMatchObject({ reason: 'SeatsExhausted', detail: 'no seat is free', status: 409, inUse: 5 });
  });

  it('names the field of an invalid body', async () => {
    const answer = await app().inject({ method: 'POST', url: '/seats', payload: { product: '' } });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ reason: 'InvalidRequest' });
    expect(answer.json().detail).toContain('product');
  });

  it.each([
    [{ payload: '{"product":', headers: { 'content-type': 'application/json' } }, 400, 'InvalidRequest'],
    [{ payload: 'x'.repeat(1_001), headers: { 'content-type': 'application/json' } }, 413, 'BodyTooLarge'],
    [{ payload: '<a/>', headers: { 'content-type': 'text/xml' } }, 415, 'UnsupportedMediaType'],
  ])('refuses a bad body %#', async (request, status, reason) => {
    const answer = await app().inject({ method: 'POST', url: '/seats', ...request });
    expect(answer.statusCode).toBe(status);
    expect(answer.json().reason).toBe(reason);
  });

  const sent = (product: Buffer, type = 'application/json') =>
    app().inject({
      method: 'POST',
      url: '/seats',
      payload: Buffer.concat([Buffer.from('{"product":"'), product, Buffer.from('"}')]),
      headers: { 'content-type': type },
    });
  const windows1251 = Buffer.from([0xc8, 0xe2, 0xe0, 0xed]);

  it.each([
    ['windows-1251', windows1251, 12],
    [
      'windows-1251 after letters of two bytes and a replacement character',
      Buffer.concat([Buffer.from('яя\ufffd'), windows1251]),
      19,
    ],
    ['a surrogate', Buffer.from([0xed, 0xa0, 0x80]), 12],
    ['a letter cut off', Buffer.from([0x61, 0xd0]), 13],
  ])('refuses a body that is not UTF-8 by the place of its first such byte: %s', async (_what, bytes, at) => {
    const answer = await sent(bytes);
    expect(answer.json()).toMatchObject({ status: 400, detail: `the body is not UTF-8: see its byte ${at}` });
  });

  it('refuses a body in another charset, and takes UTF-8 by any of its names, with one byte order mark', async () => {
    const foreign = await sent(windows1251, 'application/json; charset=windows-1251');
    expect(foreign.json()).toMatchObject({ status: 415, detail: 'the body must be in utf-8, not in windows-1251' });
    for (const type of ['application/json; charset=UTF-8', 'application/json;charset="utf8"', 'application/json']) {
      expect((await sent(Buffer.from('я\ufffd'), type)).statusCode).toBe(200);
    }
    const marked = (payload: string) =>
      app().inject({ method: 'POST', url: '/seats', payload, headers: { 'content-type': 'application/json' } });
    expect((await marked('\ufeff{"product":"p"}')).statusCode).toBe(200);
    expect((await marked('\ufeff\ufeff{"product":"p"}')).statusCode).toBe(400);
  });

  it('hides what went wrong inside', async () => {
    const answer = await app().inject({ url: '/bug' });
    expect(answer.statusCode).toBe(500);
    expect(answer.body).not.toContain('secret detail');
    const { requestId, detail } = answer.json();
    expect(requestId).toBe(answer.headers['x-request-id']);
    expect(detail).toBe(`unexpected fault; see the log by the request id ${requestId}`);
  });

  it('asks to come again when the database does not do its work', async () => {
    const answer = await app().inject({ url: '/unavailable' });
    expect(answer.statusCode).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    expect(answer.json()).toMatchObject({ reason: 'StoreUnavailable', requestId: answer.headers['x-request-id'] });
    expect(answer.body).not.toContain('10.0.0.7');
  });

  it('answers an unknown route without its query', async () => {
    const answer = await app().inject({ url: '/nothing?token=abc' });
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toMatchObject({ reason: 'RouteUnknown', detail: 'there is no GET /nothing' });
  });

  it('answers a wrong method on a known path with those that it takes, at every kind of path', async () => {
    const http = app();
    http.get('/things/:id', async () => ({}));
    http.delete('/things/:id', async () => ({}));
    http.post('/things/:id([0-9a-f]+)::take', async () => ({}));
    http.register(async (inner) => inner.get('/files/*', async () => ({})), { prefix: '/inner' });
    const refused = async (method: 'PUT' | 'OPTIONS', url: string) => {
      const { statusCode, headers, json } = await http.inject({ method, url });
      return [statusCode, headers.allow, json().reason];
    };
    const not = (allow: string) => [405, allow, 'MethodNotAllowed'];
    expect(await refused('PUT', '/seats?x=1')).toEqual(not('POST'));
    expect(await refused('OPTIONS', '/things/a%2Fb')).toEqual(not('DELETE, GET, HEAD'));
    expect(await refused('PUT', '/things/a1:take')).toEqual(not('DELETE, GET, HEAD, POST'));
    expect(await refused('PUT', '/inner/files/a/b')).toEqual(not('GET, HEAD'));
    expect(await refused('PUT', '/thing/a')).toEqual([404, undefined, 'RouteUnknown']);
  });

  it('takes a member that is null for an absent one, unless null is something of its own', async () => {
    const http = app();
    const body = z
      .object({ a: z.string().optional(), b: z.int().default(7), c: z.string().nullish(), d: z.string() })
      .nullish();
    http.post('/nulls', { schema: { body } }, async (request) => request.body);
    const sent = (payload: object) => http.inject({ method: 'POST', url: '/nulls', payload });
    expect((await sent({ a: null, b: null, c: null, d: 'd' })).json()).toEqual({ b: 7, c: null, d: 'd' });
    expect((await sent({ d: null })).json()).toMatchObject({ status: 400, detail: expect.stringMatching(/^d: /) });
  });

  it('says so when its port is in use', async () => {
    const first = app();
    const url = new URL(await listenOn(first, { host: '127.0.0.1', port: 0 }));
    await expect(listenOn(app(), { host: '127.0.0.1', port: Number(url.port) })).rejects.toThrow(
      `port ${url.port} on 127.0.0.1 is in use`,
    );
  });
});
