import { defineConfig } from 'vitest/config';

// One project a level of reality: `unit` needs nothing but Node; `db` a PostgreSQL that the suite starts itself;
// `kube` a real control plane; `e2e` a real node. test/run.ts decides which of them this machine can run.
// What is polled for is given as long as a machine three times slower needs: a deadline is no judgement of speed.
const expect = { poll: { timeout: 20_000 } };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          maxWorkers: 2,
          include: ['test/unit/**/*.test.ts', 'test/*.test.ts'],
          expect,
          testTimeout: 30_000,
          isolate: false, // what the files import is loaded once a worker; a file leaves nothing behind that another would see
        },
      },
      { test: { name: 'onec', include: ['test/onec/**/*.test.ts'], expect, fileParallelism: false } },
      {
        test: {
          name: 'clients',
          include: ['test/clients/**/*.test.ts'],
          globalSetup: ['test/support/postgresSetup.ts'],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'db',
          include: ['test/db/**/*.test.ts'],
          expect,
          globalSetup: ['test/support/postgresSetup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: 'chaos', // long, and never part of `npm test`
          include: ['test/chaos/**/*.test.ts'],
          expect,
          globalSetup: ['test/support/postgresSetup.ts'],
          testTimeout: 600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'kube',
          include: ['test/kube/**/*.test.ts'],
          expect,
          globalSetup: ['test/support/controlPlaneSetup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 2, // they wait for the control plane most of the time, each file in namespaces of its own
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          expect,
          globalSetup: ['test/support/clusterSetup.ts', 'test/support/productSetup.ts'],
          testTimeout: 300_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
