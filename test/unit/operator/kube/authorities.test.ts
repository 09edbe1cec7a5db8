import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CertificateAuthority, createAuthority } from '../../../../cluster/pki.ts';
import { createKubeMetrics } from '../../../../operator/kube/kubeMetrics.ts';
import { loadKubeClient } from '../../../../operator/kube/loadKubeClient.ts';
import { createMetrics } from '../../../../runtime/metrics.ts';
import { FakeClock } from '../../../support/fakeClock.ts';

const dir = mkdtempSync(join(tmpdir(), 'authorities-'));
let one: CertificateAuthority;
let two: CertificateAuthority;
let server: Server;

beforeAll(async () => {
  [one, two] = await Promise.all([createAuthority(join(dir, 'one')), createAuthority(join(dir, 'two'))]);
  const answer = JSON.stringify({ kind: 'APIVersions' });
  // each request by a connection of its own, as after a restart of the API server
  server = createServer(await certificateOf(one), (_, response) =>
    response.writeHead(200, { 'content-type': 'application/json', connection: 'close' }).end(answer),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}, 60_000);
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(dir, { recursive: true });
});

async function certificateOf(ca: CertificateAuthority) {
  const pair = await ca.server('api', 'api', ['IP:127.0.0.1']);
  return { cert: readFileSync(pair.cert), key: readFileSync(pair.key) };
}
function kubeconfig(authority: object): string {
  const file = join(dir, 'kubeconfig');
  const cluster = { server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, ...authority };
  const config = {
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { token: 't' } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
const inFile = { 'certificate-authority': join(dir, 'ca.crt') };
const inData = ({ certPem }: CertificateAuthority) => ({
  'certificate-authority-data': Buffer.from(certPem).toString('base64'),
});

describe('another authority of the API server', () => {
  const open = (authority: object) => {
    const clock = new FakeClock();
    const metrics = createKubeMetrics(createMetrics());
    const { client } = loadKubeClient({ kubeconfig: kubeconfig(authority), clock, metrics, userAgent: 'test' });
    return { clock, client, ask: async () => (await client.request({ method: 'GET', path: '/api' })).status };
  };

  it('in a file, as a service account has it, is taken up without a restart; one that is none changes nothing', async () => {
    server.setSecureContext(await certificateOf(one));
    writeFileSync(inFile['certificate-authority'], one.certPem);
    const { client, clock, ask } = open(inFile);
    try {
      expect(await ask()).toBe(200);
      server.setSecureContext(await certificateOf(two));
      writeFileSync(inFile['certificate-authority'], two.certPem);
      await clock.advance(10_000);
      expect(await ask()).toBe(200);
      writeFileSync(inFile['certificate-authority'], 'half a fi');
      await clock.advance(10_000);
      expect(await ask()).toBe(200);
    } finally {
      await client.close();
    }
  });

  it('in the kubeconfig itself is taken up once the one before does not fit', async () => {
    server.setSecureContext(await certificateOf(one));
    const { client, ask } = open(inData(one));
    try {
      expect(await ask()).toBe(200);
      server.setSecureContext(await certificateOf(two));
      await expect(ask()).rejects.toMatchObject({ code: expect.stringMatching(/SIGNATURE|SELF_SIGNED|UNABLE/) });
      kubeconfig(inData(two));
      await expect(ask().catch(ask)).resolves.toBe(200);
    } finally {
      await client.close();
    }
  });

  it('that is none at the start is named as that', async () => {
    writeFileSync(inFile['certificate-authority'], 'no certificate');
    const { client, ask } = open(inFile);
    await expect(ask()).rejects.toThrow('holds no certificates as PEM');
    await client.close();
  });
});
