import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Answer, KubeApi, WatchEvent } from '../../../cluster/kubeApi.ts';
import { startProvisioner, storageClass } from '../../../cluster/volumes.ts';

let dir: string;
let ending: AbortController;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'volumes-'));
  ending = new AbortController();
});
afterEach(() => {
  ending.abort();
  rmSync(dir, { recursive: true, force: true });
});

/** An API server that answers a request with these statuses, one after the other, and then with 200. */
async function provisioner(statuses: readonly (number | Error)[]) {
  const [asked, left] = [[] as string[], [...statuses]];
  const watched = new Map<string, (event: WatchEvent) => void>();
  const api: KubeApi = {
    request: async (method, path): Promise<Answer> => {
      asked.push(`${method} ${path}`);
      const next = left.shift() ?? 200;
      if (next instanceof Error) throw next;
      return { status: next, body: {} };
    },
    apply: async () => {},
    watch: async (path, onEvent) => void watched.set(path, onEvent),
    close: () => {},
  };
  await startProvisioner(api, dir, 'node', ending.signal);
  const see = (path: string, object: Record<string, unknown>) => watched.get(path)?.({ type: 'MODIFIED', object });
  return { asked, see };
}

it.each([[[500, new Error('no answer'), 429]], [[404]], [[]]])(
  'a released volume is deleted once, also where the API server is busy at first: %o',
  async (statuses) => {
    const { asked, see } = await provisioner(statuses);
    mkdirSync(join(dir, 'pvc-1'));
    const volume = {
      metadata: { name: 'pvc-1' },
      spec: { storageClassName: storageClass },
      status: { phase: 'Released' },
    };
    see('/api/v1/persistentvolumes', volume);
    see('/api/v1/persistentvolumes', volume); // events of one volume may come as fast as they like
    const times = statuses.includes(404) ? 1 : statuses.length + 1;
    await expect.poll(() => asked).toEqual(Array(times).fill('DELETE /api/v1/persistentvolumes/pvc-1'));
    expect(existsSync(join(dir, 'pvc-1'))).toBe(false);
  },
);

it('a claim gets its volume, also where the API server is busy at first', async () => {
  const { asked, see } = await provisioner([503]);
  see('/api/v1/persistentvolumeclaims', {
    metadata: { name: 'data', namespace: 'n', uid: '1', annotations: { 'volume.kubernetes.io/selected-node': 'node' } },
    spec: {
      storageClassName: storageClass,
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
    },
    status: { phase: 'Pending' },
  });
  await expect.poll(() => asked).toEqual(Array(2).fill('POST /api/v1/persistentvolumes'));
});
