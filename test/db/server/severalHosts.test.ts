import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ReplicatedPostgres, startReplicatedPostgres } from '../../support/replicatedPostgres.ts';
import { relayTo } from '../../support/tcpRelay.ts';
import { type Computer, createComputer, runServer, ServerProcess, until } from './support/serverProcess.ts';

let computer: Computer;
let postgres: ReplicatedPostgres;
const patient = 90_000;

beforeAll(async () => {
  computer = await createComputer(1_000);
  postgres = await startReplicatedPostgres(true);
}, 120_000);
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  computer.remove();
});

const envOf = (hosts: readonly string[], query = 'target_session_attrs=read-write') => ({
  ...computer.env,
  DATABASE_URL: `postgres://postgres@${hosts.join(',')}/postgres?${query}`,
  LICENCE_CLEAR_STALE: 'never',
});
const placeOf = ({ port }: { readonly port: number }) => `127.0.0.1:${port}`;
const worksWholly = async (server: ServerProcess, user: string) => {
  const { status, body } = await server.checkOut(user);
  if (status !== 201 && status !== 200) return false; // 200: it was had by an attempt before
  const statuses = [
    (await server.call('POST', `/v1/leases/${body.leaseId}/heartbeat`)).status,
    (await server.call('GET', '/v1/leases')).status,
    (await server.call('GET', '/healthz/ready')).status,
  ];
  return statuses.every((s) => s === 200) && String(body.leaseId);
};

it('a host that answers nobody holds nothing up for long', async () => {
  await using silent = await relayTo(postgres.primary.url);
  silent.set('silent');
  const server = await ServerProcess.start(envOf([placeOf(silent), placeOf(postgres.primary)], ''));
  try {
    expect(server.output).toContain('"msg":"ready"');
    expect(await worksWholly(server, 'silence')).toBeTruthy();
    expect(silent.attempts).toBeGreaterThan(0);
  } finally {
    await server.stop();
  }
}, 120_000);

it('standbys alone are waited for, and each is told by name', async () => {
  const looked = await runServer(envOf([placeOf(postgres.standby), '127.0.0.1:1']), 'doctor');
  expect(looked.stdout.toString()).toContain(
    `none of the hosts can be written to: ${placeOf(postgres.standby)}: it is a standby: nothing can be written; 127.0.0.1:1: connect ECONNREFUSED`,
  );
}, 60_000);

it('of a list of hosts the primary is found, and its successor after a fail-over; what was answered is there', async () => {
  const server = await ServerProcess.start(envOf([placeOf(postgres.standby), placeOf(postgres.primary)]));
  try {
    const ids: string[] = [];
    for (const user of ['anna', 'boris', 'vera']) ids.push((await server.checkOut(user)).body.leaseId);
    await postgres.primary.stop('SIGKILL');
    const refused = await server.checkOut('nobody');
    expect(refused.status).toBe(503);
    await until('readiness to fall', async () => (await server.call('GET', '/healthz/ready')).status === 503, patient);
    await postgres.promote();
    await until('all kinds of work to go well again', () => worksWholly(server, 'after'), patient);
    for (const id of ids) expect((await server.call('POST', `/v1/leases/${id}/heartbeat`)).status).toBe(200);
    expect((await server.call('GET', '/v1/status')).body.trouble).toBeUndefined();
    expect(await server.stop()).toBe(0);

    // and a server that starts then finds it, too, though the first of its list is gone
    const next = await ServerProcess.start(envOf([placeOf(postgres.primary), placeOf(postgres.standby)]));
    expect((await next.call('POST', `/v1/leases/${ids[0]}/heartbeat`)).status).toBe(200);
    expect(await next.stop()).toBe(0);
  } finally {
    await server.stop('SIGKILL');
  }
}, 300_000);
