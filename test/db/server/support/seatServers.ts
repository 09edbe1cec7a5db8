import { afterEach, beforeEach } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../support/testDatabase.ts';
import { ledgerTemplate } from './ledgerDatabase.ts';
import { type SeatServer, type SeatServerOptions, startSeatServer } from './seatServer.ts';

/** A ledger for each test of the file, and servers on it, which end with the test. */
export function useSeatServers(): {
  start(options?: SeatServerOptions): Promise<SeatServer>;
  /** Before the test ends. */
  stopAll(): Promise<void>;
  /** Of the ledger. */
  url(): string;
} {
  let database: TestDatabase;
  let running: SeatServer[] = [];
  const stopAll = async () => {
    for (const server of running.splice(0)) await server.stop();
  };
  beforeEach(async () => {
    running = [];
    database = await createTestDatabase(ledgerTemplate);
  });
  afterEach(async () => {
    await stopAll();
    await database.drop();
  });
  return {
    start: async (options = {}) => {
      const server = await startSeatServer(database.url, options);
      running.push(server);
      return server;
    },
    stopAll,
    url: () => database.url,
  };
}
