import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { inClusterUrl, ServiceAccounts, subjectIn } from '../../../server/access/serviceAccounts.ts';

const review = (more: Record<string, unknown> = {}) => ({
  status: {
    authenticated: true,
    audiences: ['licence-server'],
    user: {
      username: 'system:serviceaccount:shop:till',
      extra: { 'authentication.kubernetes.io/pod-uid': ['u-1'], 'authentication.kubernetes.io/pod-name': ['till-0'] },
    },
    ...more,
  },
});

it('a reviewed token counts only if it is of a pod, accepted, and for this audience', () => {
  expect(subjectIn(review(), 'licence-server')).toEqual({
    podUid: 'shop/till-0/u-1',
    podName: 'till-0',
    namespace: 'shop',
  });
  expect(subjectIn(review({ authenticated: false }), 'licence-server')).toBeUndefined();
  expect(subjectIn(review({ audiences: ['https://kubernetes.default.svc'] }), 'licence-server')).toBeUndefined();
  expect(subjectIn(review({ audiences: undefined }), 'licence-server')).toBeUndefined();
  expect(subjectIn(review({ user: { username: 'admin' } }), 'licence-server')).toBeUndefined();
  expect(subjectIn({}, 'licence-server')).toBeUndefined();
});

it('the API server is asked once a minute for a token, with this server’s own; a pod of the same name is not the same pod', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'sa-'));
  writeFileSync(join(dir, 'token'), 'own-token');
  const asked: string[] = [];
  const api = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    const pod = request.url?.startsWith('/api/v1/namespaces/shop/pods/till-0');
    response.statusCode = pod || request.method === 'POST' ? 200 : 404;
    response.end(JSON.stringify(pod ? { metadata: { uid: 'u-1' }, status: { phase: 'Running' } } : review()));
  });
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  const { port } = api.address() as { port: number };
  const accounts = new ServiceAccounts({
    apiUrl: `http://127.0.0.1:${port}`,
    dir,
    audience: 'licence-server',
    log: pino({ level: 'silent' }),
  });
  expect((await accounts.subjectOf('pod-token'))?.podUid).toBe('shop/till-0/u-1');
  expect((await accounts.subjectOf('pod-token'))?.podUid).toBe('shop/till-0/u-1');
  expect(asked).toEqual(['POST /apis/authentication.k8s.io/v1/tokenreviews Bearer own-token']);
  expect(await accounts.isGone('shop/till-0/u-1')).toBe(false);
  expect(await accounts.isGone('shop/till-0/u-0')).toBe(true);
  expect(await accounts.isGone('shop/other/u-1')).toBe(true);
  await accounts.close();
  api.closeAllConnections();
  await new Promise((resolve) => api.close(resolve));
  rmSync(dir, { recursive: true });
});

it('service accounts outside a cluster are refused with what to use instead', () => {
  expect(() => inClusterUrl({})).toThrow('use token or open here');
  expect(inClusterUrl({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' })).toBe(
    'https://[fd00::1]:6443',
  );
});
