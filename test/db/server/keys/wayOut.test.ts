import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type RequestListener, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CertificateAuthority, createAuthority } from '../../../../cluster/pki.ts';
import { run } from '../../../../cluster/process.ts';
import { createAuthorityClient } from '../../../../server/keys/authorityClient.ts';
import { createComputer } from '../../../support/authority.ts';

let dir: string;
const open: Server[] = [];
const sockets = new Set<Socket>();
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'way-out-'));
  for (const name of ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY', 'no_proxy', 'NO_PROXY'])
    vi.stubEnv(name, '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const socket of sockets) socket.destroy();
  await Promise.all(open.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  rmSync(dir, { recursive: true });
});
async function listen(server: Server): Promise<number> {
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(server);
  return (server.address() as AddressInfo).port;
}

const refusing: RequestListener = (_, response) => {
  const body = { reason: 'KeyRevoked', detail: 'the authority itself has answered' };
  response.writeHead(409, { 'content-type': 'application/problem+json' }).end(JSON.stringify(body));
};
/** A server of this CA that answers for an authority. */
async function authorityOf(ca: CertificateAuthority): Promise<number> {
  const pair = await ca.server('cabinet', 'cabinet', ['DNS:cabinet.invalid', 'IP:127.0.0.1']);
  const options = { cert: readFileSync(pair.cert), key: readFileSync(pair.key) };
  return listen(createHttps(options, refusing));
}
/** A proxy that knows where `cabinet.invalid` is, and who has to say a password. */
async function proxyTo(port: number): Promise<{ url: string; seen: string[] }> {
  const seen: string[] = [];
  const proxy = createHttp((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    refusing(request, response);
  });
  proxy.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url}`);
    sockets.add(socket as Socket);
    const said = request.headers['proxy-authorization'];
    if (said !== `Basic ${Buffer.from('user:geheim').toString('base64')}`) {
      return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    }
    const onward = connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    sockets.add(onward);
    for (const one of [onward, socket]) one.on('error', () => {});
    onward.pipe(socket).pipe(onward);
  });
  return { url: `127.0.0.1:${await listen(proxy)}`, seen };
}
const request = createComputer().request('7K2QF-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA');
async function ask(url: string, caFile?: string) {
  const client = createAuthorityClient({ url, timeoutMs: 3_000, ...(caFile === undefined ? {} : { caFile }) });
  try {
    const answer = await client.check(request);
    return answer.ok ? 'ok' : `${answer.fault.reason}: ${answer.fault.message}`;
  } finally {
    await client.close();
  }
}
const write = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

describe('a proxy that the environment names', () => {
  it('leads to the authority, over TLS that ends there; its password is in no message', async () => {
    const ca = await createAuthority(join(dir, 'ca'));
    const { url, seen } = await proxyTo(await authorityOf(ca));
    const caFile = write('ca.pem', ca.certPem);
    expect(await ask('https://cabinet.invalid', caFile)).toMatch(/^AuthorityUnreachable: .*ENOTFOUND/);
    vi.stubEnv('HTTPS_PROXY', `http://user:geheim@${url}`);
    expect(await ask('https://cabinet.invalid', caFile)).toBe('KeyRevoked: the authority itself has answered');
    expect(seen).toEqual(['CONNECT cabinet.invalid:443']);
    vi.stubEnv('HTTPS_PROXY', `http://user:falsch@${url}`);
    const refused = await ask('https://cabinet.invalid', caFile);
    expect(refused).toMatch(/^AuthorityUnreachable: .*HTTPS_PROXY/);
    expect(refused).not.toContain('falsch');
  });

  it('is passed by for what NO_PROXY names', async () => {
    const ca = await createAuthority(join(dir, 'ca'));
    const port = await authorityOf(ca);
    const { url, seen } = await proxyTo(port);
    vi.stubEnv('HTTPS_PROXY', `http://user:geheim@${url}`);
    vi.stubEnv('NO_PROXY', 'localhost,127.0.0.1');
    expect(await ask(`https://127.0.0.1:${port}`, write('ca.pem', ca.certPem))).toContain('has answered');
    expect(seen).toEqual([]);
  });

  it.for([
    ['a network', '10.0.0.0/8, 127.0.0.0/8', ''],
    ['the address of the API server of the cluster that this runs in', '', '127.0.0.1'],
  ])('is passed by for %s', async ([, noProxy, apiServer]) => {
    const ca = await createAuthority(join(dir, 'ca'));
    const port = await authorityOf(ca);
    const { url, seen } = await proxyTo(port);
    const caFile = write('ca.pem', ca.certPem);
    vi.stubEnv('HTTPS_PROXY', `http://user:geheim@${url}`);
    vi.stubEnv('NO_PROXY', noProxy ?? '');
    vi.stubEnv('KUBERNETES_SERVICE_HOST', apiServer ?? '');
    expect(await ask(`https://127.0.0.1:${port}`, caFile)).toContain('has answered');
    expect(seen).toEqual([]);
    expect(await ask('https://cabinet.invalid', caFile)).toContain('has answered');
    expect(seen).toEqual(['CONNECT cabinet.invalid:443']);
  });

  it('may stand in a file, which is read again at each use; past one that cannot be read nothing goes', async () => {
    const ca = await createAuthority(join(dir, 'ca'));
    const port = await authorityOf(ca);
    const { url, seen } = await proxyTo(port);
    vi.stubEnv('HTTPS_PROXY', 'http://127.0.0.1:1');
    const proxyFile = join(dir, 'url');
    const caFile = write('ca.pem', ca.certPem);
    const client = createAuthorityClient({ url: 'https://cabinet.invalid', timeoutMs: 3_000, caFile, proxyFile });
    const said: string[] = [];
    const answer = async () => {
      const told = await client.check(request);
      said.push(told.ok ? 'ok' : told.fault.message, client.trouble() ?? '');
      return said.slice(-2);
    };
    try {
      expect(await answer()).toEqual([expect.stringContaining('cannot read'), expect.stringContaining(proxyFile)]);
      write('url', 'user:geheim@proxy:3128');
      expect((await answer())[0]).toContain('is no URL of a proxy');
      write('url', `http://user:falsch@${url}\n`);
      expect(await answer()).toEqual([expect.stringContaining('LICENCE_PROXY_FILE may lead through a proxy'), '']);
      write('url', `http://user:geheim@${url}\n`);
      expect(await answer()).toEqual(['the authority itself has answered', '']);
      write('url', '');
      expect(await answer()).toEqual([
        'the authority itself has answered',
        expect.stringMatching(/is no URL of a proxy .*; the last sound one counts/),
      ]);
      expect(seen.filter((one) => one !== 'CONNECT cabinet.invalid:443')).toEqual([]);
      expect(said.join()).not.toMatch(/geheim|falsch/);
    } finally {
      await client.close();
    }
  });

  it('is used for plain HTTP too', async () => {
    const { url, seen } = await proxyTo(1);
    vi.stubEnv('http_proxy', `http://${url}`);
    expect(await ask('http://cabinet.invalid')).toContain('has answered');
    expect(seen).toEqual(['POST http://cabinet.invalid/v1/activations:check']);
  });

  it('that is no URL is named, without its value', () => {
    vi.stubEnv('HTTPS_PROXY', 'user:geheim@proxy:3128');
    const made = () => createAuthorityClient({ url: 'https://cabinet.invalid' });
    expect(made).toThrow(/^HTTPS_PROXY is no URL/);
    expect(made).not.toThrow('geheim');
  });
});

describe('own certificate authorities', () => {
  it('count beside those that Node believes, and when their file changes', async () => {
    const [one, two] = [await createAuthority(join(dir, 'one')), await createAuthority(join(dir, 'two'))];
    const port = await authorityOf(two);
    const file = write('ca.pem', one.certPem);
    const client = createAuthorityClient({ url: `https://127.0.0.1:${port}`, timeoutMs: 3_000, caFile: file });
    const answer = async () => {
      const said = await client.check(request);
      return said.ok ? 'ok' : said.fault.reason;
    };
    try {
      expect(await answer()).toBe('AuthorityUnreachable');
      write('ca.pem', `${one.certPem}${two.certPem}`);
      expect(await answer()).toBe('KeyRevoked');
      expect(client.trouble()).toBeUndefined();
      write('ca.pem', 'half a fi');
      expect(await answer()).toBe('KeyRevoked');
      expect(client.trouble()).toContain(file);
    } finally {
      await client.close();
    }
  });

  it('may be the certificate itself, signed by another or by itself, or the whole chain', async () => {
    const ca = await createAuthority(join(dir, 'ca'));
    const port = await authorityOf(ca);
    const leaf = readFileSync(join(dir, 'ca', 'cabinet.crt'), 'utf8');
    for (const pem of [leaf, `${leaf}${ca.certPem}`]) {
      expect(await ask(`https://127.0.0.1:${port}`, write('own.pem', pem))).toContain('has answered');
    }
    const own = { cert: join(dir, 'self.crt'), key: join(dir, 'self.key') };
    const names = ['-subj', '/CN=self', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'];
    await run('openssl', ['req', '-x509', ...key, ...names, '-keyout', own.key, '-out', own.cert]);
    const options = { cert: readFileSync(own.cert), key: readFileSync(own.key) };
    const selfSigned = await listen(createHttps(options, refusing));
    expect(await ask(`https://127.0.0.1:${selfSigned}`, own.cert)).toContain('has answered');
    expect(await ask(`https://127.0.0.1:${selfSigned}`, write('own.pem', leaf))).toContain('AuthorityUnreachable');
  });

  it('do not take the place of others: with a file of its own a server still believes the extra ones of its Node', async () => {
    const [public_, own] = [await createAuthority(join(dir, 'public')), await createAuthority(join(dir, 'own'))];
    const port = await authorityOf(public_);
    const file = write('own.pem', own.certPem);
    const script = `
      import { createAuthorityClient } from ${JSON.stringify(join(import.meta.dirname, '../../../../server/keys/authorityClient.ts'))};
      const client = createAuthorityClient({ url: 'https://127.0.0.1:${port}', caFile: ${JSON.stringify(file)} });
      const answer = await client.check(${JSON.stringify(request)});
      console.log(answer.fault.reason);
      await client.close();`;
    const said = await new Promise<string>((resolve, reject) => {
      execFile(
        process.execPath,
        ['--input-type=module', '-e', script],
        { env: { ...process.env, NODE_EXTRA_CA_CERTS: public_.cert, NODE_NO_WARNINGS: '1' }, timeout: 30_000 },
        (error, stdout, stderr) => (error === null ? resolve(stdout.trim()) : reject(new Error(stderr))),
      );
    });
    expect(said).toBe('KeyRevoked');
  });

  it('that cannot be read at the start, or are none, are named with their setting', () => {
    const url = 'https://127.0.0.1:1';
    expect(() => createAuthorityClient({ url, caFile: join(dir, 'none') })).toThrow(
      /^LICENCE_AUTHORITY_CA: cannot read .*ENOENT/,
    );
    expect(() => createAuthorityClient({ url, caFile: write('x', 'x') })).toThrow('holds no certificates');
  });
});
