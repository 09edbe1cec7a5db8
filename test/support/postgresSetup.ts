import type { TestProject } from 'vitest/node';
import { startPostgres } from '../../cluster/postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser's URL of the run's own PostgreSQL, database `postgres`. */
    postgresUrl: string;
  }
}

/** One PostgreSQL for the run; each test file makes a database of its own in it (testDatabase.ts). */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await startPostgres();
  project.provide('postgresUrl', postgres.adminUrl);
  return () => postgres.stop();
}
