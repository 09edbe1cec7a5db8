import pg from 'pg';
import { expect, it } from 'vitest';
import { startOwnPostgres } from '../../chaos/support/ownPostgres.ts';
import { createComputer, ServerProcess, until } from './support/serverProcess.ts';

/** What a crash does that happens before the disk has the renewal: the lease stands as before it. */
const forgetRenewals =
  "UPDATE lease SET expires_at = clock_timestamp() - interval '1 ms'; UPDATE pool SET next_expiry = '-infinity'";

it.for(['the whole of PostgreSQL', 'one of its processes'])(
  '%s crashes and is back at once: an answered renewal keeps its seat, and a dead one is freed later',
  {
    timeout: 240_000,
  },
  async (what) => {
    const computer = await createComputer(1);
    await using postgres = await startOwnPostgres({ synchronous_commit: 'on' });
    const server = await ServerProcess.start({
      ...computer.env,
      DATABASE_URL: postgres.url,
      LICENCE_LEASE_SECONDS: '30',
      LICENCE_CLEAR_STALE: 'never',
    });
    const asAdmin = async (sql: string) => {
      const client = new pg.Client({ connectionString: postgres.url });
      client.on('error', () => {});
      await client.connect();
      const result = await client.query(sql).catch((error) => error);
      await client.end().catch(() => {});
      return result;
    };
    try {
      const { leaseId } = (await server.checkOut('anna')).body;
      // the start has frozen expiry for a lease time: that is over
      await asAdmin("UPDATE pool SET frozen_until = '-infinity'");
      expect((await server.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
      server.child.kill('SIGSTOP'); // or it might free the seat before the crash comes
      await asAdmin(`BEGIN; ${forgetRenewals}; COMMIT`);
      if (what === 'one of its processes') {
        const { rows } = await asAdmin("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
        process.kill(rows[0].pid, 'SIGKILL');
      } else await postgres.crash();
      server.child.kill('SIGCONT');
      const newcomer = await until(
        'an answer',
        async () => {
          const answer = await server.checkOut('boris');
          return answer.status !== 503 && answer;
        },
        90_000,
      );
      expect(newcomer.status).toBe(409);
      expect((await server.call('POST', `/v1/leases/${leaseId}/heartbeat`)).status).toBe(200);
      await until(
        'it to be said',
        async () => server.output.includes('the database has crashed or changed places'),
        60_000,
      );
      // nobody renews it any more
      await asAdmin(`BEGIN; ${forgetRenewals}; UPDATE pool SET frozen_until = '-infinity'; COMMIT`);
      await until(
        'the seat to be given to the next',
        async () => (await server.checkOut('boris')).status === 201,
        90_000,
      );
    } finally {
      await server.stop('SIGKILL');
      computer.remove();
    }
  },
);
