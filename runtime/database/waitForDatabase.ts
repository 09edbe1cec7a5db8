import { sleep, systemClock } from '../clock.ts';
import type { Logger } from '../log.ts';
import { messageOf } from './fault.ts';
import { type Obstacle, obstacleIn, poolerObstacle } from './inspect.ts';
import { type DatabaseConfig, Session, setUpAnywhere } from './session.ts';

/** A server has 4 + 3 + 4 of them, and needs one of each. */
export const connectionsNeeded = { least: 3, most: 11 } as const;

const patienceMs = 60_000;

/**
 * Waits for a database that is not there yet, or that is not the primary yet: it may start, or change places, together with this
 * program.
 * @throws Error that says what is wrong and what to do; the signal's reason
 */
export async function waitForDatabase(
  config: DatabaseConfig,
  setup: string,
  ledger: string,
  log: Logger,
  signal?: AbortSignal,
): Promise<void> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const found = await tryDatabase(config, setup, ledger);
    if (found === undefined) return;
    const { message: why, todo } = found;
    if (!found.passes || performance.now() > until)
      throw new Error(`the database of DATABASE_URL cannot be used: ${why}; ${todo}`);
    log.warn({ why, todo }, 'the database cannot be used yet');
    await sleep(systemClock, 1_000, signal);
  }
}

/** One look at a database with two connections. */
export async function tryDatabase(
  config: DatabaseConfig,
  setup: string,
  ledger: string,
): Promise<Obstacle | undefined> {
  const limits = { connectionTimeoutMillis: 5_000, query_timeout: 5_000, ...config };
  const client = new Session(limits);
  client.on('error', () => {}); // told by the rejected query
  let alone = false; // one connection is there, and no second one yet
  try {
    await client.connect();
    alone = true;
    // before anything is set: in a shared session it would stay for others
    const pooler = await poolerObstacle(client, limits);
    if (pooler !== undefined) return pooler;
    alone = false;
    await setUpAnywhere(client, setup);
    return await obstacleIn(client, ledger);
  } catch (error) {
    const why = messageOf(error);
    return alone
      ? {
          message: `a second connection is not to be had: ${why}`,
          todo: `give the server more connections: ${connectionsNeeded.least} at least, up to ${connectionsNeeded.most}`,
          passes: true,
        }
      : { message: why, todo: 'correct DATABASE_URL, or start the database', passes: true };
  } finally {
    await client.end().catch(() => {});
  }
}
