import { beforeAll, describe, expect, inject, it } from 'vitest';
import { sampleObjects } from '../../../demo/product.ts';
import { eventually, type Product, startTestServer, type TestServer, useProduct } from '../../support/product.ts';

const namespace = 'e2e-life';

describe('the same computer, whatever happens to its pod', () => {
  let product: Product;
  let server: TestServer;
  let granted: { leaseId: string; user: string }[];
  let first: { fingerprint: string; activatedAt: string | undefined };

  beforeAll(async () => {
    product = await useProduct();
    server = await startTestServer(product, { namespace }, { seatLimit: 30 }, { seats: { leaseSeconds: 3_600 } });
    granted = [];
    for (let i = 0; i < 20; i++) {
      const user = `user-${i}`;
      const answer = await server.checkOut(user, i % 2 === 0 ? 'leased' : 'sticky');
      expect(answer.status).toBe(201);
      granted.push({ leaseId: answer.body.leaseId, user });
    }
    const { fingerprint, keys } = await server.status();
    first = { fingerprint, activatedAt: keys[0]?.activatedAt };
  });

  const containers = async () => {
    const pod = await server.pod();
    return (pod.status.containerStatuses ?? []).map((c) => c.containerID.replace('containerd://', ''));
  };
  /** Every acknowledged seat and the activation are what they were. */
  const expectNothingLost = async () => {
    const leases = await eventually('the server to answer', 60_000, async () => {
      const answer = await server.call('admin', 'GET', '/v1/leases?product=erp&limit=100');
      return answer.status === 200 && JSON.stringify(answer.body);
    });
    expect(granted.filter(({ leaseId }) => !leases.includes(leaseId))).toEqual([]);
    const { fingerprint, keys, products } = await server.status();
    expect(products).toMatchObject([{ product: 'erp', seatLimit: 30, seatsInUse: granted.length }]);
    expect(fingerprint).toBe(first.fingerprint);
    expect(keys).toMatchObject([{ name: 'erp', state: 'Active', generation: 1, activatedAt: first.activatedAt }]);
    expect(keys[0]?.regenerationsLeft).toBe(3);
  };
  const restartsAre = (count: number) => async () => {
    const [status] = (await server.pod()).status.containerStatuses ?? [];
    return status !== undefined && status.restartCount >= count && status.ready;
  };

  it('pod deleted', async () => {
    const { metadata } = await server.pod();
    await product.kubectl(['-n', namespace, 'delete', 'pod', metadata.name]);
    await eventually('another pod', 90_000, async () => {
      const pod = await server.pod();
      return pod.metadata.uid !== metadata.uid && pod.status.containerStatuses?.every((c) => c.ready);
    });
    await expectNothingLost();
  });

  it('killed with SIGKILL', async () => {
    for (const id of await containers()) {
      await product.cluster.ctr(['tasks', 'kill', '--all', '--signal', 'SIGKILL', id]);
    }
    await eventually('the container restarted', 90_000, restartsAre(1));
    await expectNothingLost();
  });

  it("the node's containers restarted, all at once", async () => {
    const lines = (text: string) => text.split('\n').filter(Boolean);
    // All but those of the server that another test watches being left in peace.
    const inPeace = `labels."io.kubernetes.pod.namespace"==${inject('settled').namespace}`;
    const spared = new Set(lines(await product.cluster.ctr(['containers', 'list', '--quiet', inPeace])));
    const tasks = lines(await product.cluster.ctr(['tasks', 'list', '--quiet'])).filter((id) => !spared.has(id));
    const own = new Set(await containers());
    await Promise.all(
      tasks.map((id) =>
        product.cluster.ctr(['tasks', 'kill', '--all', '--signal', 'SIGKILL', id]).catch((error) => {
          if (own.has(id)) throw error; // others may be gone already
        }),
      ),
    );
    await eventually('everything back', 150_000, async () => {
      const pod = await server.pod();
      return pod.status.containerStatuses?.every(
        (c) => c.ready && !own.has(c.containerID.replace('containerd://', '')),
      );
    });
    await expectNothingLost();
    // the vendor's authority was among them, and whoever comes next asks it
    await eventually('the authority back', 150_000, () => product.vendor.jwks());
  });

  it('the resource deleted and made again', async () => {
    const claim = async () =>
      (await product.kubectl.get<{ metadata: { uid: string } }>(namespace, 'pvc', `${server.name}-data`))?.metadata.uid;
    const before = await claim();
    await product.kubectl(['-n', namespace, 'delete', 'licenceserver', server.name, '--timeout=30s']);
    await eventually('its Deployment gone', 60_000, async () => {
      return (await product.kubectl.get(namespace, 'deployment', server.name)) === undefined;
    });
    expect(await claim()).toBe(before);
    const { name, key } = server;
    await product.kubectl.apply(
      await sampleObjects({
        namespace,
        name,
        vendor: product.vendor,
        key: key.key,
        spec: { seats: { leaseSeconds: 3_600 } },
      }),
    );
    await server.waitFor('Ready');
    expect(await claim()).toBe(before);
    expect((await server.observed()).status?.fingerprint).toBe(first.fingerprint);
  });
});
