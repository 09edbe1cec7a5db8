import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PrerequisiteMissing } from '../../../cluster/prerequisite.ts';
import { findInstallations } from '../../../runtime/postgres/programs.ts';
import { ensureOtherPostgres } from '../../support/otherPostgres.ts';
import { createComputer, postgresOf, ServerProcess, until } from './support/serverProcess.ts';

it('a newer PostgreSQL takes over after a clean stop, and refuses after a crash until the older one was stopped', async (test) => {
  const newer = await ensureOtherPostgres().catch((error) => {
    if (!(error instanceof PrerequisiteMissing) || process.env.CI === 'true') throw error;
    return test.skip(error.message);
  });
  const [older] = (await findInstallations()).filter((i) => i.major < newer.major);
  if (older === undefined) {
    newer.remove();
    const message = `no PostgreSQL older than ${newer.major} is installed`;
    if (process.env.CI === 'true') throw new Error(message);
    return test.skip(message);
  }
  const computer = await createComputer(10);
  const root = join(computer.dataDir, 'postgres');
  const start = (bin: string) =>
    ServerProcess.start({ ...computer.env, LICENCE_POSTGRES_BIN: bin, LICENCE_CLEAR_STALE: 'never' });
  let server = await start(older.bin);
  try {
    const ids: string[] = [];
    for (const user of ['anna', 'борис']) ids.push((await server.checkOut(user)).body.leaseId);
    ids.push((await server.checkOut('sticky', 'sticky')).body.leaseId);
    const tell = async () => {
      const { fingerprint, keys, products } = (await server.call('GET', '/v1/status')).body;
      return { fingerprint, keys, inUse: products[0].seatsInUse };
    };
    const before = await tell();
    expect(before).toMatchObject({ keys: [{ state: 'Active' }], inUse: 3 });
    const allLive = async () => {
      for (const id of ids) expect((await server.call('POST', `/v1/leases/${id}/heartbeat`)).status).toBe(200);
      expect((await server.checkOut('anna')).body.leaseId).toBe(ids[0]);
    };

    await server.stop('SIGKILL');
    server = await start(newer.bin);
    expect(await server.exited).toBe(1);
    expect(server.output).toContain(
      `the data is of PostgreSQL ${older.major}, and was not stopped cleanly, so there is no export to take over; ` +
        `the installed one is ${newer.major}: start once with PostgreSQL ${older.major}`,
    );

    server = await start(older.bin);
    await allLive();
    expect(await server.stop()).toBe(0);
    expect(readdirSync(root)).toContain(`${older.major}.dump`);
    server = await start(newer.bin);
    await allLive();
    expect(await tell()).toEqual(before);
    expect(readFileSync(join(root, String(newer.major), 'PG_VERSION'), 'utf8').trim()).toBe(String(newer.major));
    expect(readdirSync(root).sort()).toEqual([
      `${older.major}.replaced`,
      `${older.major}.replaced.dump`,
      String(newer.major),
    ]);
    expect(await server.stop()).toBe(0);

    server = await start(older.bin);
    expect(await server.exited).toBe(1);
    expect(server.output).toContain(
      `the data is of PostgreSQL ${newer.major}, which is newer; the installed one is ${older.major}`,
    );
  } finally {
    await server.stop('SIGKILL');
    await until('PostgreSQL to end', async () => postgresOf(computer.dataDir).length === 0);
    computer.remove();
    newer.remove();
  }
}, 300_000);
