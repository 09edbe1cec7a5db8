import { expect, it } from 'vitest';
import { growingClass, prepareGrowingVolume } from '../../support/growingVolumes.ts';
import { eventually, startTestServer, useProduct } from '../../support/product.ts';

const at = { namespace: 'e2e-volume', name: 'small' };
const mib = 2 ** 20;
const dataDir = '/var/Softonit/Licence Server';

it('a full volume: the resource says so, and serves again when its storage.size is raised, without a restart of the pod', async () => {
  const product = await useProduct();
  const { kubectl } = product;
  await prepareGrowingVolume(product, { namespace: at.namespace, name: `${at.name}-data` }, 300 * mib);
  const storage = { size: '300Mi', storageClassName: growingClass };
  const server = await startTestServer(product, at, { seatLimit: 1_000_000 }, { storage });
  const inPod = async (code: string) =>
    JSON.parse(
      await kubectl(['-n', at.namespace, 'exec', `deploy/${at.name}`, '-c', 'server', '--', 'node', '-e', code]),
    );
  const size = () => inPod(`const s = fs.statfsSync('${dataDir}'); console.log(s.blocks * s.bsize)`);
  const condition = async (type: string) => (await server.observed()).status?.conditions?.find((c) => c.type === type);
  expect(await size()).toBe(300 * mib);
  const before = await server.pod();

  const granted: string[] = [];
  /** @returns the status; 0 when nobody answered, since a Service leads to pods that are ready */
  const report = async (base: string) => {
    const user = (i: number) => `${i}`.padEnd(190, 'ü');
    const sessions = Array.from({ length: 400 }, (_, i) => ({ product: 'erp', user: user(i), host: 'pc' }));
    const { status, body } = await server
      .call('client', 'PUT', `/v1/bases/${base}/sessions`, { sessions })
      .catch(() => ({ status: 0, body: {} }));
    if (status === 200) granted.push(body.sessions[0].leaseId);
    return status;
  };
  expect(await report('first')).toBe(200);
  /** Takes room until so much is left. */
  const fill = (leftMib: number) =>
    inPod(`
      const file = fs.openSync('${dataDir}/filled', 'a'), left = () => { const s = fs.statfsSync('${dataDir}'); return s.bavail * s.bsize };
      try { while (left() > ${leftMib * mib}) fs.writeSync(file, Buffer.alloc(65536)); } catch {}
      console.log(left());`);
  await fill(20);
  const warned = await eventually(
    'the resource to warn',
    60_000,
    async () => (await server.observed()).status?.trouble,
  );
  expect(warned).toContain('spec.storage.size');
  expect(await condition('Available')).toMatchObject({ status: 'True', reason: 'ServerTroubled' });
  await fill(0);
  let n = 0;
  await eventually('a report that cannot be stored', 120_000, async () => (await report(`more-${n++}`)) === 503);
  const down = await eventually('the resource to be unavailable', 60_000, async () => {
    const now = await condition('Available');
    return now?.status === 'False' && now;
  });
  expect(down).toMatchObject({ reason: 'ServerTroubled', message: expect.stringContaining(warned) });

  const raised = Date.now();
  await kubectl([
    '-n',
    at.namespace,
    'patch',
    'lics',
    at.name,
    '--type=merge',
    '-p',
    '{"spec":{"storage":{"size":"600Mi"}}}',
  ]);
  await server.waitFor('Ready');
  await eventually('a report to be stored', 60_000, async () => (await report(`after-${n++}`)) === 200);
  console.log(`serves again ${((Date.now() - raised) / 1_000).toFixed(1)} s after storage.size was raised`);
  expect(await size()).toBe(600 * mib);
  await eventually(
    'the volume to be as asked for',
    60_000,
    async () => (await condition('StorageBound'))?.reason === 'Bound',
  );
  await eventually('all to be well', 60_000, async () => (await condition('Available'))?.reason === 'PodReady');
  const claim = await kubectl.get<{ status: { capacity: { storage: string } } }>(
    at.namespace,
    'pvc',
    `${at.name}-data`,
  );
  expect(claim?.status.capacity.storage).toBe('600Mi');

  const after = await server.pod();
  expect(after.metadata.uid).toBe(before.metadata.uid);
  expect(after.status.containerStatuses?.map((c) => c.restartCount)).toEqual([0]);
  const { body } = await server.call('client', 'POST', '/v1/heartbeats', { leaseIds: granted });
  expect(body.lost).toEqual([]);
});
