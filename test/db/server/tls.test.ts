import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CertificateAuthority, createAuthority } from '../../../cluster/pki.ts';
import { readCertificate } from '../../../server/tls.ts';
import { createTestDatabase, type TestDatabase } from '../../support/testDatabase.ts';
import { ledgerTemplate } from './support/ledgerDatabase.ts';
import { type Computer, createComputer, ServerProcess, until } from './support/serverProcess.ts';

let computer: Computer;
let database: TestDatabase;
let authority: CertificateAuthority;
let dir: string;
let server: ServerProcess;
let kept: Agent;

beforeAll(async () => {
  database = await createTestDatabase(ledgerTemplate);
  computer = await createComputer(5);
  dir = mkdtempSync(join(tmpdir(), 'tls-'));
  authority = await createAuthority(join(dir, 'ca'));
  await put('first');
  kept = new Agent({ keepAlive: true, maxSockets: 1, ca: authority.certPem });
  server = await ServerProcess.start({ ...computer.env, DATABASE_URL: database.url, LICENCE_TLS_DIR: mounted() });
});
afterAll(async () => {
  kept.destroy();
  await server.stop();
  await database.drop();
  computer.remove();
  rmSync(dir, { recursive: true });
});

const mounted = () => join(dir, 'mounted');
/** Replaces the directory's content at once, as the kubelet does: by a link to another directory. */
const show = (files: string) => {
  symlinkSync(files, join(dir, 'next'));
  renameSync(join(dir, 'next'), mounted());
};
const put = async (name: string) => {
  const pair = await authority.server(name, name, ['IP:127.0.0.1']);
  mkdirSync(join(dir, name));
  writeFileSync(join(dir, name, 'tls.crt'), readFileSync(pair.cert));
  writeFileSync(join(dir, name, 'tls.key'), readFileSync(pair.key));
  show(join(dir, name));
};
/** Who answers, and from which port it was asked. */
const ask = (agent: Agent) =>
  new Promise<{ name: string; port: number | undefined }>((resolve, reject) => {
    get(`${server.address}/healthz/live`, { agent }, (answer) => {
      const socket = answer.socket as TLSSocket;
      const seen = { name: String(socket.getPeerCertificate().subject.CN), port: socket.localPort };
      answer.resume();
      answer.on('end', () => resolve(seen));
    }).on('error', reject);
  });
const askAnew = () => ask(new Agent({ ca: authority.certPem }));

it('a replaced certificate is served to new connections without a restart, and connections go on', async () => {
  expect(server.address).toMatch(/^https:/);
  const before = await ask(kept);
  expect(before.name).toBe('first');
  await put('second');
  await until('the second certificate', async () => (await askAnew()).name === 'second');
  expect(await ask(kept)).toEqual(before);
  expect(server.output).toContain('certificate changed');
});

it('one that cannot be used is reported, and the last one stays until there is a good one', async () => {
  const other = await authority.server('other', 'other', ['IP:127.0.0.1']);
  mkdirSync(join(dir, 'mismatched'));
  writeFileSync(join(dir, 'mismatched', 'tls.crt'), readFileSync(other.cert));
  writeFileSync(join(dir, 'mismatched', 'tls.key'), readFileSync(join(dir, 'first', 'tls.key')));
  show(join(dir, 'mismatched'));
  await until('the report', async () => server.output.includes('the new certificate cannot be used'));
  expect((await askAnew()).name).toBe('second');
  show(join(dir, 'nowhere'));
  await until('a second report', async () => server.output.split('the new certificate cannot be used').length === 3);
  expect((await askAnew()).name).toBe('second');
  await put('third');
  await until('the third certificate', async () => (await askAnew()).name === 'third');
  expect(server.output).not.toContain('PRIVATE KEY');
});

it('a directory without a certificate is an error with the name of what is missing', () => {
  const empty = join(dir, 'empty');
  mkdirSync(empty);
  expect(() => readCertificate(empty)).toThrow(`cannot read ${join(empty, 'tls.crt')}`);
});
