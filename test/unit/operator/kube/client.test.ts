import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { ApiError, isGone } from '../../../../operator/kube/apiError.ts';
import type { KubeClient } from '../../../../operator/kube/client.ts';
import { createKubeMetrics } from '../../../../operator/kube/kubeMetrics.ts';
import { type LoadOptions, loadKubeClient } from '../../../../operator/kube/loadKubeClient.ts';
import type { KubeObject } from '../../../../operator/kube/object.ts';
import { kinds } from '../../../../operator/kube/resourceKind.ts';
import { systemClock } from '../../../../runtime/clock.ts';
import { createMetrics, type Metrics } from '../../../../runtime/metrics.ts';
import { type StubApi, send, startStubApi } from '../../../support/stubApi.ts';

let stub: StubApi;
let client: KubeClient;
let metrics: Metrics;
async function start(
  answer: (request: IncomingMessage, response: ServerResponse, body: string) => void,
  options: Partial<LoadOptions> = {},
): Promise<void> {
  stub = await startStubApi(answer);
  metrics = createMetrics();
  const base = { clock: systemClock, metrics: createKubeMetrics(metrics), userAgent: 'test/1' };
  ({ client } = loadKubeClient({ kubeconfig: stub.kubeconfig, ...base, ...options }));
}
afterEach(async () => {
  await client.close();
  await stub[Symbol.asyncDispose]();
});

const object = { metadata: { namespace: 'ns', name: 'a' } };
const refusal = (code: number, reason: string) => ({ kind: 'Status', code, reason, message: `${reason} it is` });
const failure = async (promise: Promise<unknown>): Promise<unknown> => promise.then(() => undefined).catch((e) => e);

describe('the client', () => {
  it('keeps its connections', async () => {
    await start((_, response) => send(response, 200, object));
    for (let i = 0; i < 50; i++) await client.get(kinds.ConfigMap, 'ns', 'a');
    // The next request may come a moment before the connection is free again.
    expect(stub.connections()).toBeLessThanOrEqual(2);
    expect(stub.requests[0]).toBe('GET /api/v1/namespaces/ns/configmaps/a');
  });

  it('answers undefined for what is not there, and throws what is refused', async () => {
    await start((request, response) =>
      request.url?.includes('missing')
        ? send(response, 404, refusal(404, 'NotFound'))
        : send(response, 403, refusal(403, 'Forbidden')),
    );
    expect(await client.get(kinds.Secret, 'ns', 'missing')).toBeUndefined();
    const error = await failure(client.get(kinds.Secret, 'ns', 'a'));
    expect(error).toMatchObject({ status: 403, reason: 'Forbidden' });
    expect(String(error)).toContain('GET /api/v1/namespaces/ns/secrets/a: 403 Forbidden: Forbidden it is');
  });

  it('names the object in a path safely, and wants a namespace where there is one', async () => {
    await start((_, response) => send(response, 200, object));
    await client.get(kinds.ConfigMap, 'ns', '../../x?y');
    expect(stub.requests).toEqual(['GET /api/v1/namespaces/ns/configmaps/..%2F..%2Fx%3Fy']);
    await expect(client.get(kinds.ConfigMap, undefined, 'a')).rejects.toThrow('ConfigMap a needs a namespace');
  });

  it.each([429, 503])('waits as long as the server asks after %d', async (status) => {
    let asked = 0;
    await start((_, response) => {
      asked++;
      if (asked < 3) send(response, status, refusal(status, 'Later'), { 'retry-after': '0' });
      else send(response, 200, object);
    });
    await client.get(kinds.ConfigMap, 'ns', 'a');
    expect(asked).toBe(3);
  });

  it('does not wait for ever, nor where nobody asked it to', async () => {
    await start((request, response) =>
      request.url?.includes('later')
        ? send(response, 429, refusal(429, 'Later'), { 'retry-after': '3600' })
        : send(response, 503, refusal(503, 'Down')),
    );
    expect(await failure(client.get(kinds.ConfigMap, 'ns', 'later'))).toMatchObject({ retryAfterSeconds: 3600 });
    expect(await failure(client.get(kinds.ConfigMap, 'ns', 'down'))).toMatchObject({ status: 503 });
    expect(stub.requests).toHaveLength(2);
  });

  it('gives up on an answer that does not come', async () => {
    await start(() => {});
    const error = await failure(client.request({ method: 'GET', path: '/slow', timeoutMs: 30 }));
    expect(String(error)).toContain('GET /slow: no answer in 30 ms');
  });

  it('gives up on a body that stops in the middle', async () => {
    await start((_, response) => {
      response.writeHead(200).write('{"a":');
    });
    const error = await failure(client.request({ method: 'GET', path: '/half', timeoutMs: 50 }));
    expect(String(error)).toContain('no answer in 50 ms');
  });

  it('lists page by page', async () => {
    await start((request, response) => {
      const page = new URL(request.url ?? '', 'http://x').searchParams.get('continue') ?? '0';
      const next = Number(page) + 1;
      send(response, 200, {
        metadata: { resourceVersion: '7', ...(next < 3 ? { continue: String(next) } : {}) },
        items: [{ metadata: { name: `n${page}`, managedFields: [{}] } }],
      });
    });
    const list = await client.list(kinds.ConfigMap, { labelSelector: 'a=b' });
    expect(list.resourceVersion).toBe('7');
    expect(list.items).toEqual(
      ['n0', 'n1', 'n2'].map((name) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } })),
    );
    expect(stub.requests[1]).toBe('GET /api/v1/configmaps?labelSelector=a%3Db&limit=100&continue=1');
  });

  it('keeps of each page only what it is told to, before it asks for the next one', async () => {
    const kept: string[] = [];
    await start((request, response) => {
      const page = Number(new URL(request.url ?? '', 'http://x').searchParams.get('continue') ?? '0');
      expect(kept).toHaveLength(page);
      const more = page < 2 ? { continue: String(page + 1) } : {};
      send(response, 200, {
        metadata: { resourceVersion: '7', ...more },
        items: [{ metadata: { name: `n${page}` }, data: { long: 'text' } }],
      });
    });
    const keep = ({ metadata }: KubeObject): KubeObject => {
      kept.push(metadata.name);
      return { metadata };
    };
    const list = await client.list(kinds.ConfigMap, { keep });
    expect(list.items).toEqual(['n0', 'n1', 'n2'].map((name) => ({ metadata: { name } })));
  });

  it('starts over without pages when the history of the pages ran out', async () => {
    await start((request, response) => {
      const query = new URL(request.url ?? '', 'http://x').searchParams;
      if (query.has('continue')) return send(response, 410, refusal(410, 'Expired'));
      const more = query.has('limit') ? { continue: 'x' } : {};
      send(response, 200, { metadata: { resourceVersion: '7', ...more }, items: [{ metadata: { name: 'a' } }] });
    });
    expect((await client.list(kinds.ConfigMap)).items).toHaveLength(1);
    expect(stub.requests.at(-1)).toBe('GET /api/v1/configmaps');
  });

  it('streams lines, however they are cut', async () => {
    await start((_, response) => {
      response.write('{"a":"');
      setImmediate(() => {
        response.write(Buffer.from('é"}\n{"b"', 'utf8').subarray(0, 1));
        setImmediate(() =>
          response.end(Buffer.concat([Buffer.from('é"}\n{"b"', 'utf8').subarray(1), Buffer.from(':1}')])),
        );
      });
    });
    const lines: string[] = [];
    for await (const line of await client.lines({ method: 'GET', path: '/watch' })) lines.push(line);
    expect(lines).toEqual(['{"a":"é"}', '{"b":1}']);
  });

  it('throws when a stream is refused', async () => {
    await start((_, response) => send(response, 410, refusal(410, 'Expired')));
    expect(isGone(await failure(client.lines({ method: 'GET', path: '/watch' })))).toBe(true);
  });

  it('changes nothing in a dry run, and reads as ever', async () => {
    await start((_, response) => send(response, 200, object));
    const dry = client.dryRun();
    await dry.apply(kinds.ConfigMap, object, { fieldManager: 'me' });
    await dry.delete(kinds.ConfigMap, 'ns', 'a');
    await dry.get(kinds.ConfigMap, 'ns', 'a');
    expect(stub.requests).toEqual([
      'PATCH /api/v1/namespaces/ns/configmaps/a?fieldManager=me&force=true&dryRun=All',
      'DELETE /api/v1/namespaces/ns/configmaps/a?dryRun=All',
      'GET /api/v1/namespaces/ns/configmaps/a',
    ]);
  });

  it('says what a deletion came to', async () => {
    const deleting = { metadata: { ...object.metadata, deletionTimestamp: 'now' } };
    let answer: [number, unknown] = [200, { kind: 'Status', status: 'Success' }];
    let sent = '';
    await start((_, response, body) => {
      sent = body;
      send(response, ...answer);
    });
    const remove = () => client.delete(kinds.ConfigMap, 'ns', 'a', { uid: 'u', propagation: 'Foreground' });
    expect(await remove()).toEqual({ outcome: 'deleted' });
    expect(JSON.parse(sent)).toMatchObject({ propagationPolicy: 'Foreground', preconditions: { uid: 'u' } });
    answer = [200, deleting];
    expect(await remove()).toEqual({ outcome: 'deleting', object: deleting });
    answer = [404, refusal(404, 'NotFound')];
    expect(await remove()).toEqual({ outcome: 'gone' });
  });

  it('writes only while the guard allows it, and cuts what is on its way when it no longer does', async () => {
    const abort = new AbortController();
    let hold = false;
    await start((request, response) => {
      if (request.method === 'GET' || !hold) send(response, 200, object);
      else abort.abort(new Error('lost'));
    });
    const guarded = client.guarded({ signal: abort.signal, assertHeld: () => abort.signal.throwIfAborted() });
    await guarded.create(kinds.ConfigMap, object);
    hold = true;
    expect(String(await failure(guarded.create(kinds.ConfigMap, object)))).toContain('lost');
    expect(String(await failure(guarded.create(kinds.ConfigMap, object)))).toContain('lost');
    expect(await guarded.get(kinds.ConfigMap, 'ns', 'a')).toEqual(object);
    expect(stub.requests.filter((r) => r.startsWith('POST'))).toHaveLength(2);
  });

  it('asks the guard at the last moment, after waiting for its turn', async () => {
    let held = true;
    const waiting: ServerResponse[] = [];
    await start((_, response) => waiting.push(response), { maxConcurrent: 1 });
    const guarded = client.guarded({
      signal: new AbortController().signal,
      assertHeld: () => {
        if (!held) throw new Error('not held');
      },
    });
    const first = client.get(kinds.ConfigMap, 'ns', 'a');
    const second = failure(guarded.create(kinds.ConfigMap, object));
    await expect.poll(() => waiting.length).toBe(1);
    held = false;
    const [response] = waiting;
    if (response) send(response, 200, object);
    await first;
    expect(String(await second)).toContain('not held');
    expect(stub.requests).toHaveLength(1);
  });

  it('sends so many at one time and no more, except what is urgent', async () => {
    const waiting: ServerResponse[] = [];
    await start((_, response) => waiting.push(response), { maxConcurrent: 3 });
    const calls = Array.from({ length: 20 }, () => client.get(kinds.ConfigMap, 'ns', 'a'));
    let answered = 0;
    while (answered < 20) {
      await expect.poll(() => waiting.length).toBe(Math.min(3, 20 - answered));
      for (const response of waiting.splice(0)) {
        answered++;
        send(response, 200, object);
      }
    }
    await Promise.all(calls);
    const blocked = Array.from({ length: 3 }, () => client.get(kinds.ConfigMap, 'ns', 'a'));
    await expect.poll(() => waiting.length).toBe(3);
    const urgent = client.request({ method: 'GET', path: '/urgent', urgent: true });
    await expect.poll(() => stub.requests.at(-1)).toBe('GET /urgent');
    for (const response of waiting) send(response, 200, object);
    await Promise.all([...blocked, urgent]);
  });

  it('counts requests under the name that client-go uses', async () => {
    await start((_, response) => send(response, 404, refusal(404, 'NotFound')));
    await client.get(kinds.ConfigMap, 'ns', 'a');
    const text = await metrics.registry.metrics();
    expect(text).toContain(`rest_client_requests_total{code="404",method="GET",host="${client.host}"} 1`);
  });

  it('fails with the server’s words where they are not JSON', async () => {
    await start((_, response) => {
      response.writeHead(502).end('bad gateway');
    });
    const error = await failure(client.get(kinds.ConfigMap, 'ns', 'a'));
    expect(error).toBeInstanceOf(ApiError);
    expect(String(error)).toContain('502 : bad gateway');
  });
});
