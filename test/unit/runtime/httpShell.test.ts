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

  it('says so when its port is in use', async () => {
    const first = app();
    const url = new URL(await listenOn(first, { host: '127.0.0.1', port: 0 }));
    await expect(listenOn(app(), { host: '127.0.0.1', port: Number(url.port) })).rejects.toThrow(
      `port ${url.port} on 127.0.0.1 is in use`,
    );
  });
});
